# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rivals at one secret in Vault: one of them comes between any two requests of the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.campaign import Campaign, Course
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.document import Layout
from ansible_collections.keelson.ops.plugins.module_utils._secrets.plan import Wish
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import ConflictError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotation import Limits, Rotation
from ansible_collections.keelson.ops.plugins.module_utils._secrets.trail import Trail
from ansible_collections.keelson.ops.plugins.module_utils._secrets.vault_client import Answer
from ansible_collections.keelson.ops.plugins.module_utils._secrets.vault_store import VaultStore

from tests.integration.secret_rotate.vault_standin import TOKEN, VaultStandin
from tests.unit.module_utils._secrets.world import START, Door, Fate, KilledError, Time

PENDING = "POST secret/data/app-pending"
MOST_REQUESTS = 80


@dataclass
class Client:
    """Asks the stand-in without a network; ``before`` and ``after`` see each request with its number."""

    vault: VaultStandin
    before: Callable[[int, str], None] = lambda _number, _request: None
    after: Callable[[int, str], None] = lambda _number, _request: None
    made: int = field(default=0, init=False)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        self.made += 1
        number = self.made
        self.before(number, f"{method} {path}")
        status, found = self.vault.answer(method, f"/v1/{path}", dict(body or {}), TOKEN)
        self.after(number, f"{method} {path}")
        return Answer(status, found or {}, tuple((found or {}).get("errors", ())))


@pytest.fixture(scope="module")
def server() -> Iterator[VaultStandin]:
    standin = VaultStandin()
    yield standin
    standin.close()


@pytest.fixture
def vault(server: VaultStandin) -> VaultStandin:
    """With ``old`` as version 1, made 100 days before the tests' time."""
    server.paths.clear()
    store = store_at(Client(server))
    store.put_pending(Credential("old"), store.inspect())
    store.promote(store.inspect())
    path = server.paths["app"]
    path.versions[1] = (START - timedelta(days=100), path.versions[1][1])
    return server


def store_at(client: Client) -> VaultStore:
    return VaultStore(client, "secret", "app", Layout("value"))  # type: ignore[arg-type]


def write_by_hand(vault: VaultStandin, value: str) -> None:
    body = {"options": {"cas": vault.paths["app"].current}, "data": {"value": value}}
    assert vault.answer("POST", "/v1/secret/data/app", body, TOKEN)[0] == 200


def value_in(vault: VaultStandin) -> tuple[int, str]:
    path = vault.paths["app"]
    return path.current, path.versions[path.current][1]["value"]


def rival_writes_first(vault: VaultStandin, after: Callable[[], None]) -> VaultStore:
    """A store whose rival ends a whole rotation between its look and its write of what is pending."""

    def rotate(_number: int, request: str) -> None:
        if request == PENDING:
            rival = store_at(Client(vault))
            rival.put_pending(Credential("rival's"), rival.inspect())
            rival.promote(rival.inspect())

    return store_at(Client(vault, rotate, lambda _number, request: after() if request == PENDING else None))


def test_pending_that_comes_too_late_is_nobodys(vault: VaultStandin) -> None:
    other = store_at(Client(vault))

    def look() -> None:
        held = other.inspect()
        assert held.current
        assert (held.current.id, held.pending) == ("v2", None)
        assert other.reveal(held.current).value == "rival's"

    late = rival_writes_first(vault, look)
    with pytest.raises(ConflictError):
        late.put_pending(Credential("late"), late.inspect())
    assert value_in(vault) == (2, "rival's")
    assert set(vault.paths) == {"app"}


def test_pending_that_came_too_late_is_replaced_when_its_writer_was_killed(vault: VaultStandin) -> None:
    def die() -> None:
        raise KilledError

    late = rival_writes_first(vault, die)
    with pytest.raises(KilledError):
        late.put_pending(Credential("late"), late.inspect())
    store = store_at(Client(vault))
    store.put_pending(Credential("next"), store.inspect())
    held = store.inspect()
    assert held.pending
    assert (held.pending.id, store.reveal(held.pending).value) == ("v3", "next")
    store.promote(held)
    assert value_in(vault) == (3, "next")
    assert set(vault.paths) == {"app"}


def test_pending_that_was_overtaken_is_named_and_dropped_but_never_promoted_or_revealed(vault: VaultStandin) -> None:
    store = store_at(Client(vault))
    store.put_pending(Credential("overtaken"), store.inspect())
    valid = store.inspect()
    write_by_hand(vault, "by hand")
    held = store.inspect()
    assert held.current and held.pending and valid.pending
    assert held.pending.id not in (held.current.id, valid.pending.id)
    for seen in (valid, held):
        with pytest.raises(ConflictError):
            store.promote(seen)
    with pytest.raises(ConflictError):
        store.reveal(held.pending)
    assert value_in(vault) == (2, "by hand")
    store.drop_pending(held)
    assert store.inspect().pending is None


@dataclass
class Hosts:
    """Rotators of the same secret, each with a journal of its own."""

    vault: VaultStandin
    directory: Path
    door: Door = field(default_factory=lambda: Door(Fate(), accepted=["old"]))
    time: Time = field(default_factory=Time)

    def run(self, name: str, client: Client, **wish: Any) -> None:
        chosen = Wish(**{"overlap": timedelta(0), **wish})
        parts = {"trail": Trail(self.directory, name, self.time), "clock": self.time, "limits": Limits(5.0)}
        course = Course(Rotation("db", chosen, store=store_at(client), target=self.door, **parts))  # type: ignore
        Campaign([course], self, self.time).run()
        if course.error:
            raise course.error

    def use(self) -> None:
        self.check()

    def check(self) -> None:
        if value_in(self.vault)[1] not in self.door.accepted:
            raise OpsError("the application cannot log in")

    def assert_settled(self) -> None:
        self.run("afterwards", Client(self.vault))
        held = store_at(Client(self.vault)).inspect()
        assert (held.pending, held.previous) == (None, None)
        assert self.door.accepted == [value_in(self.vault)[1]]


@pytest.mark.parametrize("killed", [False, True])
def test_rival_between_any_two_requests_makes_no_second_rotation(
    vault: VaultStandin, tmp_path: Path, killed: bool
) -> None:
    initial = dict(vault.paths["app"].versions)
    for at in range(1, MOST_REQUESTS):
        vault.paths.clear()
        write_first(vault, initial)
        hosts = Hosts(vault, tmp_path / str(at))

        def meet(number: int, _request: str, at: int = at, hosts: Hosts = hosts) -> None:
            if number == at:
                hosts.run("one", Client(vault))

        def die(number: int, _request: str, at: int = at) -> None:
            if killed and number == at:
                raise KilledError

        client = Client(vault, meet, die)
        # Who lost the race may fail, and is run again.
        with contextlib.suppress(KilledError, OpsError):
            hosts.run("two", client)
        hosts.assert_settled()
        assert value_in(vault)[0] == 2, at
        if client.made < at:
            break
    assert 20 < at < MOST_REQUESTS - 1


def write_first(vault: VaultStandin, versions: dict[int, Any]) -> None:
    assert vault.answer("POST", "/v1/secret/data/app", {"options": {"cas": 0}, "data": {}}, TOKEN)[0] == 200
    vault.paths["app"].versions.update(versions)


def test_overtaken_by_hand_the_next_run_ends_with_one_secret(vault: VaultStandin, tmp_path: Path) -> None:
    hosts, store = Hosts(vault, tmp_path), store_at(Client(vault))
    store.put_pending(Credential("overtaken"), store.inspect())
    hosts.door.accepted = ["old", "overtaken"]
    write_by_hand(vault, "old")
    hosts.assert_settled()
    assert value_in(vault)[1] not in ("old", "overtaken")


def test_overtaken_by_hand_it_is_given_up_on_the_way_back(vault: VaultStandin, tmp_path: Path) -> None:
    hosts, store = Hosts(vault, tmp_path), store_at(Client(vault))
    store.put_pending(Credential("overtaken"), store.inspect())
    hosts.door.accepted = ["old", "overtaken"]
    write_by_hand(vault, "old")
    hosts.run("back", Client(vault), state="rolled_back")
    assert store.inspect().pending is None
    assert value_in(vault) == (2, "old")
