# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One configured backup with everything it works with: settings, destinations, time, commands, and who is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from .._core.clock import Clock, SystemClock
from .._core.command import Runner, SubprocessRunner
from .._core.lock import file_lock
from .client import Programs, open_programs
from .directory_storage import DirectoryStorage
from .manifest import Manifest, parse_manifest
from .plan import Destination
from .points import MANIFEST, Point
from .s3_client import connect
from .s3_storage import S3Storage
from .settings import S3Destination, Settings, placed
from .state import HostState
from .storage import Storage


class Reporter(Protocol):
    """Who is told how far long work is."""

    def step(self, text: str) -> None:
        """A new step begins."""

    def progress(self, done: int, total: int | None) -> None:
        """Bytes of the present step."""


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int | None) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Backup:
    """Made once for a run by ``open_backup``."""

    settings: Settings
    storages: Sequence[Storage]
    state: HostState
    clock: Clock = field(default_factory=SystemClock)
    runner: Runner = field(default_factory=SubprocessRunner)
    reporter: Reporter = field(default_factory=Silent)

    def application(self, kind: str) -> str:
        """What the sessions of one ``kind`` of work are called in ``pg_stat_activity``."""
        return f"keelson {kind} {self.settings.name}"

    def programs(self, kind: str) -> AbstractContextManager[Programs]:
        return open_programs(self.settings.source, self.application(kind), self.runner)

    @contextmanager
    def locked(self, kind: str) -> Iterator[None]:
        """One ``kind`` of work at a time for this name. Raises LockHeld."""
        purpose = f"{kind} of {self.settings.name}"
        timeout = self.settings.lock_timeout
        with file_lock(self.state.lock_path(kind), purpose=purpose, timeout=timeout, clock=self.clock):
            yield

    def destinations(self, database: str) -> list[Destination]:
        """What each destination holds of ``database``."""
        damaged = set(self.state.of(database).damaged)
        found = []
        for storage in self.storages:
            points = storage.points(database)
            bad = tuple(point for point in points if mark(storage.location, point) in damaged)
            good = tuple(point for point in points if point not in bad)
            found.append(Destination(storage.location, good, bad))
        return found


def mark(location: str, point: Point) -> str:
    """How a damaged copy is remembered: another destination's copy of the same point may be sound."""
    return f"{location}/{point.id}"


def open_backup(settings: Settings, *, clock: Clock | None = None, reporter: Reporter | None = None) -> Backup:
    """Everything for ``settings``. Raises OpsError when a destination's library or credentials are missing."""
    storages: list[Storage] = []
    time = clock or SystemClock()
    for destination in (placed(item, settings) for item in settings.destinations):
        if isinstance(destination, S3Destination):
            storages.append(S3Storage(destination, connect(destination), time))
        else:
            storages.append(DirectoryStorage(destination.path))
    return Backup(settings, storages, HostState(settings), time, reporter=reporter or Silent())


def read_manifest(storage: Storage, point: Point) -> Manifest:
    """Raises OpsError; ManifestDamagedError when it is no manifest or one of another point."""
    data = b"".join(storage.read(point.path(MANIFEST)))
    return parse_manifest(data, f"{storage.location}/{point.path(MANIFEST)}")
