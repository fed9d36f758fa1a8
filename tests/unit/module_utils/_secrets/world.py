# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores, targets and an application in memory; a run can be killed before or after any write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.campaign import Campaign, Course
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import (
    Credential,
    Holdings,
    SecretVersion,
)
from ansible_collections.keelson.ops.plugins.module_utils._secrets.plan import Wish
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import ConflictError, RejectedError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotation import Limits, Rotation
from ansible_collections.keelson.ops.plugins.module_utils._secrets.trail import Trail

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class KilledError(BaseException):
    """The process is gone; nothing below may catch it."""


@dataclass
class Time:
    """A clock that passes by sleeping only."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Fate:
    """Counts writes and ends the process before (or, with ``after``, behind) the one it is set to."""

    die_at: int | None = None
    after: bool = False
    writes: int = 0

    def write(self, change: Callable[[], None]) -> None:
        self.writes += 1
        if self.writes == self.die_at and not self.after:
            raise KilledError
        change()
        if self.writes == self.die_at:
            raise KilledError


@dataclass
class Shelf:
    """A store with labels that move one at a time, as those of Secrets Manager do."""

    time: Time
    fate: Fate
    values: dict[str, tuple[datetime, Credential]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    first_is_current: bool = False
    before_put: Callable[[], None] | None = None

    def inspect(self) -> Holdings:
        return Holdings(*(self._version(label) for label in ("current", "pending", "previous")))

    def reveal(self, version: SecretVersion) -> Credential:
        return self.values[version.id][1]

    def put_pending(self, credential: Credential, seen: Holdings) -> SecretVersion:
        if self.before_put:
            self.before_put, act = None, self.before_put
            act()
        if "pending" in self.labels:
            raise ConflictError("somebody was first")
        identity = f"v{len(self.values) + 1}"

        def put() -> None:
            self.values[identity] = (self.time.now(), credential)
            self.labels["pending"] = identity
            if self.first_is_current and len(self.values) == 1:
                self.labels["current"] = identity

        self.fate.write(put)
        return SecretVersion(identity, self.time.now())

    def promote(self, seen: Holdings) -> None:
        assert seen.pending
        identity = seen.pending.id
        old = self.labels.get("current")
        if old != identity:
            self.fate.write(lambda: self.labels.update({"current": identity, **({"previous": old} if old else {})}))
        self._drop("pending", identity)

    def restore(self, seen: Holdings) -> None:
        assert seen.current and seen.previous
        swapped = {"current": seen.previous.id, "previous": seen.current.id}
        self.fate.write(lambda: self.labels.update(swapped))

    def restored_id(self, seen: Holdings) -> str:
        assert seen.previous
        return seen.previous.id

    def drop_pending(self, seen: Holdings) -> None:
        assert seen.pending
        self._drop("pending", seen.pending.id)

    def drop_previous(self, seen: Holdings) -> None:
        assert seen.previous
        self._drop("previous", seen.previous.id)

    def close(self) -> None: ...

    def current(self) -> str:
        return self.values[self.labels["current"]][1].value

    def _version(self, label: str) -> SecretVersion | None:
        identity = self.labels.get(label)
        return SecretVersion(identity, self.values[identity][0]) if identity else None

    def _drop(self, label: str, identity: str) -> None:
        if self.labels.get(label) == identity:
            self.fate.write(lambda: self.labels.pop(label))


@dataclass
class Door:
    """What the secret opens: a set of accepted values, or only one when it cannot overlap."""

    fate: Fate
    overlaps: bool = True
    announce_seconds: float | None = None
    accepted: list[str] = field(default_factory=list)
    made: int = 0
    refuses: int = 0
    never_works: bool = False
    unreachable: bool = False

    def propose(self, current: Credential | None) -> Credential:
        self.made += 1
        return Credential(f"secret-{self.made}-{len(self.accepted)}-{self.fate.writes}")

    def works(self, credential: Credential) -> bool:
        if self.unreachable:
            raise OpsError("the server is not there")
        return credential.value in self.accepted and not (self.never_works and credential.value != "old")

    def set(self, candidate: Credential, current: Credential | None) -> None:
        if self.unreachable:
            raise OpsError("the server is not there")
        if self.refuses:
            self.refuses -= 1
            raise RejectedError("too simple")
        kept = [value for value in self.accepted if current and value == current.value] if self.overlaps else []
        self.fate.write(lambda: self._accept([*kept, candidate.value]))

    def revoke(self, retired: Credential, keep: Credential) -> None:
        if self.overlaps:
            self.fate.write(lambda: self._accept([keep.value]))

    def close(self) -> None: ...

    def _accept(self, values: list[str]) -> None:
        self.accepted = list(dict.fromkeys(values))


@dataclass
class App:
    """Reads the store when told, and is well as long as its secret opens the door."""

    shelf: Shelf
    door: Door
    holds: str = ""
    sick_with: set[str] = field(default_factory=set)
    sick_of_new: bool = False
    is_told: bool = True
    used: int = 0

    def use(self) -> None:
        self.used += 1
        if "current" in self.shelf.labels:
            self.holds = self.shelf.current()
        self.check()

    def check(self) -> None:
        if self.holds in self.sick_with or (self.sick_of_new and self.holds != "old"):
            raise OpsError("0 of 1 checks healthy")
        if self.holds and self.holds not in self.door.accepted:
            raise OpsError("the application cannot log in")


@dataclass
class World:
    """One secret with everything around it; ``old`` is current and 100 days old."""

    directory: Path
    overlaps: bool = True
    announce_seconds: float | None = None
    empty: bool = False
    time: Time = field(default_factory=Time)
    fate: Fate = field(default_factory=Fate)
    shelf: Shelf = field(init=False)
    door: Door = field(init=False)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.time, self.fate)
        self.door = Door(self.fate, self.overlaps, self.announce_seconds)
        self.app = App(self.shelf, self.door)
        if not self.empty:
            self.shelf.values["v1"] = (START - timedelta(days=100), Credential("old"))
            self.shelf.labels["current"] = "v1"
            self.door.accepted = ["old"]
            self.app.holds = "old"

    def rotation(self, **wish: Any) -> Rotation:
        chosen = Wish(**{"overlap": timedelta(0), **wish})
        trail = Trail(self.directory, "db", self.time)
        limits = Limits(test_timeout=30.0)
        return Rotation("db", chosen, store=self.shelf, target=self.door, trail=trail, clock=self.time, limits=limits)

    def run(self, initial: str | None = None, **wish: Any) -> Course:
        """One call of the module over this secret; raises what went wrong."""
        course = Course(self.rotation(**wish), Credential(initial) if initial else None)
        Campaign([course], self.app, self.time).run()
        if course.error:
            raise course.error
        return course

    def is_sound(self) -> bool:
        """Exactly one secret opens the door, it is the current one, and no label is left over."""
        return set(self.shelf.labels) == {"current"} and self.door.accepted == [self.shelf.current()]
