# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of PostgreSQL databases, each with its roles and a fingerprint of the same snapshot."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timezone

from .._core.errors import OpsError
from .archive import Packing, collect
from .backup import Backup
from .client import Programs, require_same_major
from .dump_source import store_stream
from .fingerprint import take_fingerprint
from .manifest import Fingerprint, Manifest, StoredFile
from .points import Point
from .server import Snapshot, dump_command, end_other_sessions, globals_command, open_session, take_snapshot
from .session import Session
from .settings import Settings

ZSTD_SINCE_MAJOR = 16


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """The server that ``programs`` reach."""

    backup: Backup
    programs: Programs
    packing: Packing

    def store(self, point: Point) -> Manifest:
        backup, programs, database = self.backup, self.programs, point.database
        started, begun = backup.clock.now(), backup.clock.monotonic()
        with open_session(programs, database) as session:
            end_other_sessions(session, backup.application("backup"))
            snapshot = take_snapshot(session)
            tools = self._tools(snapshot, database)
            roles = self._pack_globals(snapshot, database) if backup.settings.globals else None
            backup.reporter.step(f"dumping {database} ({snapshot.database_bytes / 1e6:.1f} MB on the server)")
            dump, fingerprint = self._dump(session, snapshot, point)
        return Manifest(
            id=point.id,
            database=database,
            started_at=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
            finished_at=backup.clock.now().isoformat(timespec="seconds"),
            seconds=round(backup.clock.monotonic() - begun, 3),
            dump=dump,
            globals=self._store_globals(point, roles) if roles is not None else None,
            globals_have_passwords=roles is not None and snapshot.superuser,
            fingerprint=fingerprint,
            server_version=snapshot.server_version,
            tools=tools,
            extensions=snapshot.extensions,
            locale=snapshot.locale,
            owner=snapshot.owner,
            wal_position=snapshot.wal_position,
            properties=snapshot.properties,
            database_bytes=snapshot.database_bytes,
            encryption=self.packing.recipients,
        )

    def end_left_over(self, point: Point) -> None:
        with suppress(OpsError), open_session(self.programs, point.database) as session:
            end_other_sessions(session, self.backup.application("backup"))

    def _tools(self, snapshot: Snapshot, database: str) -> dict[str, str]:
        names = ["pg_dump", *(["pg_dumpall"] if self.backup.settings.globals else [])]
        runner = self.backup.runner
        return {name: require_same_major(self.programs, name, snapshot.major, database, runner) for name in names}

    def _dump(self, session: Session, snapshot: Snapshot, point: Point) -> tuple[StoredFile, Fingerprint]:
        settings = self.backup.settings
        inside = compresses_itself(settings, snapshot.major)
        level = settings.compression_level if inside else None
        dump = dump_command(self.programs, point.database, snapshot, settings.lock_wait_timeout, level)
        with ThreadPoolExecutor(1, thread_name_prefix="keelson-fingerprint") as pool, ExitStack() as on_error:
            counting = pool.submit(take_fingerprint, session.value)
            # Runs before the pool waits: a fingerprint whose session has ended fails at once.
            on_error.callback(session.stop)
            stored = store_stream(
                self.backup,
                (point, self.packing.file_name("dump")),
                [dump, *self.packing.commands(compressed=inside)],
                expected=snapshot.database_bytes,
                also=on_error,
                join=counting.result,
            )
            return stored, counting.result()

    def _pack_globals(self, snapshot: Snapshot, database: str) -> bytes:
        return collect([globals_command(self.programs, database, snapshot), *self.packing.commands()])

    def _store_globals(self, point: Point, packed: bytes) -> StoredFile:
        name = self.packing.file_name("globals.sql")
        for storage in self.backup.storages:
            storage.write(point.path(name), packed)
        return StoredFile(name, len(packed), hashlib.sha256(packed).hexdigest())


def compresses_itself(settings: Settings, major: int) -> bool:
    """Whether pg_dump compresses: out of a container each byte costs more to carry than to compress."""
    if settings.compression_program == "pg_dump" and major < ZSTD_SINCE_MAJOR:
        raise OpsError(
            f"pg_dump of PostgreSQL {major} knows no zstd, {ZSTD_SINCE_MAJOR} and newer do (option compression_program)"
        )
    wanted = settings.compression_program == "pg_dump"
    return wanted or (
        settings.compression_program == "auto" and settings.source.in_container and major >= ZSTD_SINCE_MAJOR
    )
