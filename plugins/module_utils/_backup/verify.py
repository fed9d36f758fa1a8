# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at restore points: listing, and checks of what is stored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone

from .._core.command import Command
from .._core.errors import OpsError
from .archive import ArchiveDamagedError, feed, open_unpacking
from .backup import Backup, mark, read_manifest
from .client import Programs
from .command_source import user_command
from .manifest import COMMAND, Manifest, ManifestDamagedError, StoredFile
from .points import Point, is_point_id
from .server import read_command
from .storage import FileMissingError, Storage

LEVELS = ("hash", "read")


@dataclass(frozen=True, slots=True)
class Listed:
    """A point in a destination. ``manifest`` is None and ``fault`` tells why when it is no backup to rely on."""

    storage: Storage
    point: Point
    manifest: Manifest | None
    fault: str | None = None

    def need_manifest(self) -> Manifest:
        """The manifest. Raises OpsError with the fault where there is none."""
        if self.manifest is None:
            raise OpsError(f"point {self.point.id} of {self.point.database}: {self.fault}")
        return self.manifest


@dataclass(frozen=True, slots=True)
class Checked:
    """``level`` is what could be checked: an encrypted point without its key is only hashed. ``damaged`` tells a point
    that is bad for ever from one that could not be checked today.
    """

    listed: Listed
    level: str
    fault: str | None
    damaged: bool = False


def list_points(backup: Backup, databases: Sequence[str] = ()) -> list[Listed]:
    """Every point of the configured databases in every destination, newest first."""
    found = []
    for database in databases or backup.settings.databases:
        damaged = backup.state.of(database).damaged
        for storage in backup.storages:
            for point in reversed(storage.points(database)):
                try:
                    manifest = read_manifest(storage, point)
                except ManifestDamagedError as error:
                    found.append(Listed(storage, point, None, error.message))
                    continue
                fault = "failed a verification" if mark(storage.location, point) in damaged else None
                found.append(Listed(storage, point, manifest, fault))
    return found


def choose(backup: Backup, database: str, which: str) -> Listed:
    """The point that ``which`` names: an id, ``latest``, or a time for the newest that began by then; the last two
    pass over points with a known fault. Of the copies of a point a sound one is taken. Raises OpsError.
    """
    until = None if which == "latest" or is_point_id(which) else _time(which)
    listed = sorted(list_points(backup, [database]), key=lambda item: item.fault is not None)
    for candidate in sorted(listed, key=lambda item: item.point.id, reverse=True):
        by_time = candidate.fault is None and (until is None or candidate.point.taken_at <= until)
        if by_time if which == "latest" or until else which == candidate.point.id:
            candidate.need_manifest()
            return candidate
    places = ", ".join(storage.location for storage in backup.storages)
    raise OpsError(f"no restore point {which} of database {database} in {places}")


def _time(text: str) -> datetime:
    try:
        # Python older than 3.11 does not read the Z.
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
    except ValueError:
        raise OpsError(
            f"point {text!r} is neither latest, nor an id as keelson backup list shows them, nor a time such as "
            "2026-11-22T14:30:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def select(backup: Backup, names: Sequence[str], which: str) -> list[Listed]:
    """What ``which`` names of each database, in every destination that has it: ``latest``, an id, or ``all``."""
    chosen: list[Listed] = []
    for database in names:
        listed = list_points(backup, [database])
        if which != "all":
            point = choose(backup, database, which).point
            listed = [item for item in listed if item.point == point]
        chosen += listed
    if not chosen:
        raise OpsError("there is no restore point to verify")
    return chosen


def verify(backup: Backup, chosen: Sequence[Listed], level: str, *, remember: bool = True) -> list[Checked]:
    """Check stored points: ``hash`` compares SHA-256 and the compression's own checksums, ``read`` also reads the whole
    archive with pg_restore. With ``remember``, a damaged point no longer counts for retention.
    """
    with nullcontext() if backup.settings.command else backup.programs("verification") as programs:
        checked = [_check(backup, programs, item, level) for item in chosen]
    if remember:
        for database in {item.listed.point.database for item in checked}:
            _remember(backup, database, [item for item in checked if item.listed.point.database == database], level)
    return checked


def _remember(backup: Backup, database: str, checked: Sequence[Checked], level: str) -> None:
    bad = {mark(item.listed.storage.location, item.listed.point) for item in checked if item.damaged}
    sound = {mark(item.listed.storage.location, item.listed.point) for item in checked if not item.fault}
    known = set(backup.state.of(database).damaged)
    changes: dict[str, object] = {"damaged": tuple(sorted((known - sound) | bad))}
    if not any(item.fault for item in checked):
        changes["verified_at"] = backup.clock.now().timestamp()
    backup.state.update(database, **changes)
    backup.state.audit({"event": "verified", "database": database, "level": level, "damaged": sorted(bad)})


def _check(backup: Backup, programs: Programs | None, item: Listed, level: str) -> Checked:
    manifest, storage, point = item.manifest, item.storage, item.point
    if manifest is None:
        return Checked(item, level, item.fault, damaged=True)
    done = _possible(backup, manifest, level)
    backup.reporter.step(f"verifying {point.folder} in {storage.location} ({done})")
    try:
        for file in [manifest.dump, *([manifest.globals] if manifest.globals else [])]:
            with ExitStack() as stack:
                consumers: list[Command] = []
                if done != "sha256":
                    unpacking = open_unpacking(backup.settings, manifest.encryption, backup.runner)
                    consumers += stack.enter_context(unpacking)
                if done == "read" and file is manifest.dump:
                    consumers.append(_reader(backup, programs, manifest))
                _feed(backup, item, file, consumers)
    except (ArchiveDamagedError, FileMissingError) as error:
        return Checked(item, done, error.message, damaged=True)
    except OpsError as error:
        return Checked(item, done, error.message)
    return Checked(item, done, None)


def _feed(backup: Backup, item: Listed, file: StoredFile, consumers: Sequence[Command]) -> None:
    feed(
        item.storage.read(item.point.path(file.name)),
        file,
        consumers,
        lambda done: backup.reporter.progress(done, file.bytes),
        f"{item.storage.location}/{item.point.folder}",
    )


def _possible(backup: Backup, manifest: Manifest, level: str) -> str:
    """The level that can be reached: nothing but a hash without the key, no reading without a reader."""
    if manifest.encryption and backup.settings.decryption_identity is None:
        return "sha256"
    command = backup.settings.command
    return "hash" if command is not None and not command.verify_command else level


def _reader(backup: Backup, programs: Programs | None, manifest: Manifest) -> Command:
    command = backup.settings.command
    if manifest.source == COMMAND or command is not None or programs is None:
        return user_command(backup.settings, command.verify_command if command else ())
    return read_command(programs, manifest.database, manifest.server_major)
