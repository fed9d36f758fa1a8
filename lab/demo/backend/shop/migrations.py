# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema migrations: pairs of plain SQL files, applied in order, all pending ones in one transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

LOCK = 7_330_210_044
"""Any constant number of our own: whoever holds this advisory lock migrates, everybody else waits."""
FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.(up|down)\.sql$")
TABLE = """CREATE TABLE IF NOT EXISTS schema_migrations (
  version integer PRIMARY KEY,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now())"""


class MigrationError(Exception):
    """The files and the database do not fit together."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema and the way back."""

    version: int
    name: str
    up: str = field(repr=False)
    down: str = field(repr=False)

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"


def parse(files: Mapping[str, str]) -> list[Migration]:
    """Migrations from file names and contents, in order. Raises MigrationError for a file without its partner."""
    halves: dict[tuple[int, str], dict[str, str]] = {}
    for name, text in files.items():
        match = FILE_NAME.match(name)
        if match is None:
            raise MigrationError(f"{name}: expected 0001_name.up.sql or 0001_name.down.sql")
        halves.setdefault((int(match[1]), match[2]), {})[match[3]] = text
    for (version, name), half in halves.items():
        if len(half) != 2:
            raise MigrationError(f"{version:04d}_{name} has no {'down' if 'up' in half else 'up'} file")
    versions = [version for version, _name in halves]
    if len(set(versions)) != len(versions):
        raise MigrationError("two migrations have the same number")
    return [Migration(version, name, half["up"], half["down"]) for (version, name), half in sorted(halves.items())]


def pending(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """Those to apply, in order; ``applied`` maps versions to checksums.

    A version in the database that is not known is a newer release's and stays: after a rollback the older release
    must start. Raises MigrationError when an applied file was edited or a new one comes before an applied one.
    """
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration} was changed after it had been applied")
    todo = [migration for migration in known if migration.version not in applied]
    if todo and applied and todo[0].version < max(applied):
        raise MigrationError(f"{todo[0]} comes before {max(applied):04d}, which is applied already")
    return todo


def describe(known: Sequence[Migration], applied: Mapping[int, str]) -> list[str]:
    """A line for each migration, for ``status``."""
    lines = [f"{'applied' if m.version in applied else 'pending'}  {m}" for m in known]
    unknown = sorted(set(applied) - {m.version for m in known})
    return lines + [f"newer    {version:04d} (applied by a newer release)" for version in unknown]


async def migrate(connection: asyncpg.Connection, known: Sequence[Migration]) -> list[Migration]:
    """Apply what is pending; those applied. Two at once: the second waits and finds nothing to do."""
    async with connection.transaction():
        await _lock(connection)
        todo = pending(known, await read_applied(connection))
        for migration in todo:
            await connection.execute(migration.up)
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )
    return todo


async def rollback(connection: asyncpg.Connection, known: Sequence[Migration]) -> Migration | None:
    """Take the newest applied migration back; None when none is applied. Raises MigrationError."""
    async with connection.transaction():
        await _lock(connection)
        applied = await read_applied(connection)
        if not applied:
            return None
        newest = max(applied)
        migration = _find(known, newest)
        await connection.execute(migration.down)
        await connection.execute("DELETE FROM schema_migrations WHERE version = $1", newest)
    return migration


async def read_applied(connection: asyncpg.Connection) -> dict[int, str]:
    """Versions and checksums in the database; none when it was never migrated."""
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    return {row["version"]: row["checksum"] for row in rows}


async def _lock(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    await connection.execute(TABLE)


def _find(known: Iterable[Migration], version: int) -> Migration:
    for migration in known:
        if migration.version == version:
            return migration
    raise MigrationError(f"{version:04d} was applied by a newer release; roll back with that one")
