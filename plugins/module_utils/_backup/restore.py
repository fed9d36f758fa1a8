# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a point into a new database, and the drill that proves it can be done."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .._core.command import Command
from .._core.errors import OpsError
from .archive import feed, open_unpacking
from .backup import Backup
from .client import ContainerPrograms, LocalPrograms, Programs, require_same_major
from .fingerprint import SETTINGS, differences, methods_of, take_fingerprint
from .manifest import Manifest
from .server import (
    ask,
    can_own,
    create_database,
    data_directory,
    databases,
    drop_database,
    is_superuser,
    open_session,
    restore_command,
)
from .session import Session
from .verify import Listed, choose

MAINTENANCE = "postgres"
DRILL_PREFIX = "keelson_drill_"
# Indexes are built beside the data they are sorted from.
SPACE_FACTOR = 1.25
SPACE_RESERVE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Restored:
    """``seconds`` from the start to a database that is known to be right; ``age_seconds`` is how old its content is."""

    listed: Listed
    into: str
    seconds: float
    age_seconds: float
    tables: int
    rows: int
    assertions: int = 0


class RestoredDiffersError(OpsError):
    """The restored database is not what was backed up; it has been removed."""


def restore(backup: Backup, database: str, which: str, into: str) -> Restored:
    """Restore a point into the new database ``into`` and compare it. Raises OpsError; ``into`` then does not exist."""
    _need_server(backup)
    if not into or into == MAINTENANCE or len(into.encode()) > 63:
        raise OpsError(f"{into!r} cannot be the name of the new database (option into)")
    with backup.locked("restore"), backup.programs("restore") as programs:
        listed = choose(backup, database, which)
        with open_session(programs, MAINTENANCE) as session:
            if into in databases(session):
                raise OpsError(
                    f"database {into} exists already; a restore never overwrites one, choose another name (into)"
                )
        restored = _restore(backup, programs, listed, into, ())
        with open_session(programs, into) as session:
            session.text("ANALYZE")
        backup.state.audit({"event": "restored", "id": listed.point.id, "database": database, "into": into})
        return restored


def drill(backup: Backup, database: str, which: str = "latest") -> Restored:
    """Restore a point into a throw-away database, compare, ask the user's assertions, remove it, remember the time."""
    _need_server(backup)
    prefix = f"{DRILL_PREFIX}{backup.settings.name}_".replace("-", "_").replace(".", "_").lower()
    into = f"{prefix}{secrets.token_hex(4)}"
    assertions = [a for a in backup.settings.assertions if a.database in (None, database)]
    with backup.locked("drill"), backup.programs("drill") as programs:
        try:
            with open_session(programs, MAINTENANCE) as session:
                _drop_left_overs(session, prefix)
            restored = _restore(backup, programs, choose(backup, database, which), into, [a.sql for a in assertions])
        except OpsError as error:
            backup.state.audit({"event": "drill failed", "database": database, "error": error.message})
            raise
        finally:
            with suppress(OpsError), open_session(programs, MAINTENANCE) as session:
                drop_database(session, into)
        now = backup.clock.now().timestamp()
        backup.state.update(database, restore_test_at=now, restore_test_seconds=restored.seconds)
        backup.state.audit({"event": "drill", "id": restored.listed.point.id, "seconds": restored.seconds})
        return restored


def _need_server(backup: Backup) -> None:
    if backup.settings.command is not None:
        raise OpsError(
            f"backup {backup.settings.name} holds what a command wrote, which only its own program can restore; "
            f"write it out with: keelson backup extract {backup.settings.name} --to FILE"
        )


def _drop_left_overs(session: Session, prefix: str) -> None:
    for name in databases(session):
        if name.startswith(prefix):
            drop_database(session, name)


def _restore(backup: Backup, programs: Programs, listed: Listed, into: str, assertions: Sequence[str]) -> Restored:
    begun, manifest = backup.clock.monotonic(), listed.need_manifest()
    with open_session(programs, MAINTENANCE) as session:
        _preflight(backup, programs, session, manifest)
        # Only a superuser can give objects to others and grant on them.
        options = () if is_superuser(session) else ("--no-owner", "--no-acl")
        owner = manifest.owner if can_own(session, manifest.owner) else None
        create_database(session, into, manifest.locale, owner)
    try:
        backup.reporter.step(f"restoring {listed.point.folder} from {listed.storage.location} into {into}")
        _load(backup, programs, listed, into, options)
        backup.reporter.step("comparing with the fingerprint of the backup")
        _compare(programs, manifest, into)
        for sql in assertions:
            _assert(backup, programs, into, sql)
    except BaseException:
        with suppress(OpsError), open_session(programs, MAINTENANCE) as session:
            drop_database(session, into)
        raise
    return Restored(
        listed=listed,
        into=into,
        seconds=round(backup.clock.monotonic() - begun, 3),
        age_seconds=round((backup.clock.now() - listed.point.taken_at).total_seconds()),
        tables=len(manifest.fingerprint.tables),
        rows=sum(table.rows for table in manifest.fingerprint.tables),
        assertions=len(assertions),
    )


def _load(backup: Backup, programs: Programs, listed: Listed, into: str, options: Sequence[str]) -> None:
    manifest = listed.need_manifest()
    dump = manifest.dump
    with open_unpacking(backup.settings, manifest.encryption, backup.runner) as consumers:
        feed(
            listed.storage.read(listed.point.path(dump.name)),
            dump,
            [*consumers, restore_command(programs, into, manifest.server_major, options)],
            lambda done: backup.reporter.progress(done, dump.bytes),
            f"{listed.storage.location}/{listed.point.folder}",
        )


def _compare(programs: Programs, manifest: Manifest, into: str) -> None:
    with open_session(programs, into) as session:
        session.text(SETTINGS)
        found = take_fingerprint(session.value, methods_of(manifest.fingerprint))
    different = differences(manifest.fingerprint, found)
    if different:
        shown = "; ".join(different[:10]) + ("; ..." if len(different) > 10 else "")
        raise RestoredDiffersError(
            f"the restored database differs from the backup {manifest.id}: {shown}", differences=different
        )


def _assert(backup: Backup, programs: Programs, into: str, sql: str) -> None:
    answer = ask(programs, into, sql, backup.runner)
    if answer != "t":
        raise RestoredDiffersError(f"assertion {sql!r} answered {answer!r} instead of true")


def _preflight(backup: Backup, programs: Programs, session: Session, manifest: Manifest) -> None:
    number = int(session.text("SHOW server_version_num"))
    if number // 10000 < manifest.server_major:
        raise OpsError(
            f"the backup is of PostgreSQL {manifest.server_major}, this server is {number // 10000}; "
            "restore into the same or a newer major version"
        )
    require_same_major(programs, "pg_restore", number // 10000, MAINTENANCE, backup.runner)
    needed = int(manifest.database_bytes * SPACE_FACTOR) + SPACE_RESERVE
    free = _free_space(backup, programs, data_directory(session))
    if free is not None and free < needed:
        raise OpsError(
            f"the restore needs about {needed / 1e6:.0f} MB on the server, {free / 1e6:.0f} MB are free",
            needed=needed,
            free=free,
        )


def _free_space(backup: Backup, programs: Programs, directory: str | None) -> int | None:
    """Free bytes where the server keeps its data; None when that is another machine or cannot be known."""
    if directory is None:
        return None
    if isinstance(programs, ContainerPrograms):
        argv = ("docker", "exec", "-u", programs.run_as, programs.container, "stat", "-f", "-c", "%a %S", directory)
        done = backup.runner.run(Command(argv), timeout=60, check=False)
        numbers = done.stdout.split()
        return int(numbers[0]) * int(numbers[1]) if done.rc == 0 and len(numbers) == 2 else None
    if isinstance(programs, LocalPrograms) and not backup.settings.source.login_host:
        with suppress(OSError):
            found = os.statvfs(directory)
            return found.f_bavail * found.f_frsize
    return None
