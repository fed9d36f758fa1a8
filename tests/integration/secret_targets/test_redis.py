# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: two passwords at a time, only hashes sent, and changes that a restart keeps."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import Target
from docker.models.containers import Container

from lab.images import service_image

from .conftest import ADMIN_PASSWORD, Start, address, eventually, target

FIRST = Credential("first-password")
ACL = f"""\
user default on nopass ~* &* +@all
user operator on >{ADMIN_PASSWORD} ~* &* +@all
user shop on >{FIRST.value} ~* &* +@all -@admin
"""


def started(start: Start, acl: str = ACL) -> Container:
    script = 'umask 077; [ -e users.acl ] || printf %s "$ACL" > users.acl; exec redis-server --aclfile /data/users.acl'
    container = start(service_image("redis"), ["sh", "-c", script + " --protected-mode no"], environment={"ACL": acl})
    eventually(lambda: redis_cli(container, "PING"))
    return container


@pytest.fixture(scope="module")
def server(start: Start) -> Container:
    return started(start)


def redis_cli(server: Container, *words: str, user: str = "operator", password: str = ADMIN_PASSWORD) -> str:
    code, output = server.exec_run(
        ["redis-cli", "--no-auth-warning", "--user", user, *words], environment={"REDISCLI_AUTH": password}
    )
    text = str(output.decode().strip())
    if code != 0 or text.startswith(("Could not", "AUTH failed", "LOADING")):
        raise ConnectionError(text)
    return text


def user_of(server: Container, **options: Any) -> Target:
    admin = {"login_host": address(server), "login_user": "operator", "login_password": ADMIN_PASSWORD}
    return target(type="redis", **({"username": "shop"} | admin | options))


def test_both_passwords_work_until_the_old_one_is_revoked(server: Container) -> None:
    shop = user_of(server)
    new = shop.propose(FIRST)
    assert (shop.works(FIRST), shop.works(new)) == (True, False)
    shop.set(new, FIRST)
    assert (shop.works(FIRST), shop.works(new)) == (True, True)
    shop.set(new, FIRST)
    assert redis_cli(server, "GET", "key", user="shop", password=new.value) == ""
    shop.revoke(FIRST, new)
    assert (shop.works(FIRST), shop.works(new)) == (False, True)
    shop.set(FIRST, new)
    shop.revoke(new, FIRST)
    assert (shop.works(FIRST), shop.works(new)) == (True, False)


def test_an_administrator_needs_no_more_than_this(server: Container) -> None:
    redis_cli(server, "ACL", "SETUSER", "rotator", "on", ">of-the-rotator", "+@connection", "+acl", "+config|get")
    redis_cli(server, "ACL", "SETUSER", "limited", "on", "~*", "+@all", "-@admin", "-@dangerous")
    shop = user_of(server, username="limited", login_user="rotator", login_password="of-the-rotator")
    first = shop.propose(None)
    shop.set(first, None)
    second = shop.propose(first)
    shop.set(second, first)
    assert shop.works(first) and shop.works(second)
    shop.revoke(first, second)
    assert (shop.works(first), shop.works(second)) == (False, True)


def test_a_rotation_survives_a_restart(start: Start) -> None:
    server = started(start)
    shop = user_of(server)
    new = shop.propose(FIRST)
    shop.set(new, FIRST)
    shop.revoke(FIRST, new)
    server.restart(timeout=5)
    eventually(lambda: redis_cli(server, "PING"))
    shop = user_of(server)
    assert (shop.works(FIRST), shop.works(new)) == (False, True)


def test_passwords_that_no_rotation_knows_are_removed(server: Container) -> None:
    redis_cli(server, "ACL", "SETUSER", "stray", "on", ">left-behind", ">first-password", "+@all")
    stray = user_of(server, username="stray")
    new = stray.propose(FIRST)
    stray.set(new, FIRST)
    assert not stray.works(Credential("left-behind"))
    assert stray.works(FIRST) and stray.works(new)


def test_a_missing_user_is_made_by_its_rules_and_not_without(server: Container) -> None:
    missing = user_of(server, username="worker")
    with pytest.raises(OpsError, match=r"secrets\[0\]\.target\.rules"):
        missing.set(FIRST, None)
    worker = user_of(server, username="worker", rules=["~jobs:*", "+get", "+ping"])
    made = worker.propose(None)
    worker.set(made, None)
    assert worker.works(made)
    assert redis_cli(server, "GET", "jobs:1", user="worker", password=made.value) == ""
    assert "NOPERM" in redis_cli(server, "GET", "other", user="worker", password=made.value)


def test_a_user_whom_everybody_may_be_proves_no_password(server: Container) -> None:
    redis_cli(server, "ACL", "SETUSER", "open", "on", "nopass", "+@all")
    everybody = user_of(server, username="open")
    assert not everybody.works(FIRST)
    everybody.set(FIRST, None)
    assert everybody.works(FIRST)
    assert not everybody.works(Credential("anything"))


@contextmanager
def recorded(server: Container) -> Iterator[tuple[int, bytearray]]:
    """A port of this machine that leads to the server, and everything that is sent to it there."""
    sent = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, record: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if record is not None:
                    record += piece
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = listener.accept()
                upstream = socket.create_connection((address(server), 6379))
                for source, sink, record in ((client, upstream, sent), (upstream, client, None)):
                    threading.Thread(target=pump, args=(source, sink, record), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], sent
    finally:
        listener.close()


def test_only_hashes_are_sent(server: Container) -> None:
    with recorded(server) as (port, sent):
        shop = user_of(server, login_host="127.0.0.1", login_port=port)
        new = shop.propose(FIRST)
        shop.set(new, FIRST)
        shop.revoke(new, FIRST)
    assert hashlib.sha256(new.value.encode()).hexdigest().encode() in sent
    assert new.value.encode() not in sent
    assert FIRST.value.encode() not in sent


def test_a_change_that_no_restart_keeps_is_an_error_unless_wanted(start: Start) -> None:
    container = start(service_image("redis"), ["redis-server", "--protected-mode", "no"])
    eventually(lambda: container.exec_run(["redis-cli", "PING"]).output == b"PONG\n" or pytest.fail("no answer"))
    open_to_all = {"login_user": None, "login_password": None, "rules": ["+@all", "~*"]}
    with pytest.raises(OpsError, match=r"secrets\[0\]\.target\.persist"):
        user_of(container, **open_to_all).set(FIRST, None)
    kept_elsewhere = user_of(container, persist="none", **open_to_all)
    kept_elsewhere.set(FIRST, None)
    assert kept_elsewhere.works(FIRST)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"login_password": "wrong-password"}, "WRONGPASS"),
        ({"login_port": 1}, "connection refused"),
        ({"login_user": "shop", "login_password": FIRST.value}, "NOPERM"),
    ],
)
def test_what_is_not_known_is_an_error_without_secrets(server: Container, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OpsError, match=words) as raised:
        user_of(server, **options).works(Credential("candidate-password"))
    assert not any(secret in raised.value.message for secret in ("wrong-password", FIRST.value, "candidate"))
