# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking backups: plan, sweep, dump, publish, prune."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .._core.errors import OpsError
from .archive import open_packing
from .backup import Backup, mark
from .command_source import CommandDump
from .dump_source import DumpSource
from .manifest import Manifest
from .plan import DatabasePlan, plan_database
from .points import MANIFEST, Point, new_point
from .postgres_source import PostgresSource
from .state import orphan_rule


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run did for one database; ``manifest`` is None when nothing was due, or in check mode."""

    plan: DatabasePlan
    manifest: Manifest | None
    swept: tuple[str, ...] = ()


class SomeFailedError(OpsError):
    """At least one database was not backed up; ``taken`` are the others."""

    def __init__(self, errors: dict[str, OpsError], taken: list[Taken]) -> None:
        text = "; ".join(f"database {name}: {error.message}" for name, error in errors.items())
        super().__init__(text, failed_databases={name: {"msg": e.message, **e.facts} for name, e in errors.items()})
        self.taken = taken


def plan(backup: Backup) -> list[DatabasePlan]:
    """What a run would take and delete now."""
    settings, now = backup.settings, backup.clock.now()
    return [
        plan_database(
            new_point(database, now, secrets.token_hex(4)),
            backup.destinations(database),
            max_age=settings.max_age,
            retention=settings.retention,
            now=now,
            zone=settings.zone,
        )
        for database in settings.databases
    ]


def take(backup: Backup) -> list[Taken]:
    """Back up each database that is due. Raises SomeFailedError after all were tried, OpsError when none can be."""
    with backup.locked("backup"):
        try:
            return _take_due(backup)
        except SomeFailedError:
            raise
        except BaseException:
            for database in backup.settings.databases:
                backup.state.update(database, attempt_ok=False)
            raise


def _take_due(backup: Backup) -> list[Taken]:
    done: list[Taken] = []
    errors: dict[str, OpsError] = {}
    for storage in backup.storages:
        storage.check()
    plans = plan(backup)
    if not any(database_plan.take for database_plan in plans):
        return [Taken(database_plan, None) for database_plan in plans]
    with _open_source(backup) as source:
        for database_plan in plans:
            try:
                done.append(_take_one(backup, source, database_plan))
            except OpsError as error:
                errors[database_plan.database] = error
                backup.state.update(database_plan.database, attempt_ok=False)
                backup.state.audit({"event": "failed", "database": database_plan.database, "error": error.message})
    if errors:
        raise SomeFailedError(errors, done)
    return done


@contextmanager
def _open_source(backup: Backup) -> Iterator[DumpSource]:
    settings = backup.settings
    with open_packing(settings, backup.runner) as packing:
        if settings.command is not None:
            yield CommandDump(backup, settings.command, packing)
            return
        with backup.programs("backup") as programs:
            yield PostgresSource(backup, programs, packing)


def _take_one(backup: Backup, source: DumpSource, database_plan: DatabasePlan) -> Taken:
    point = database_plan.take
    if point is None:
        return Taken(database_plan, None)
    swept = _sweep(backup, point.database)
    backup.state.begin(point)
    try:
        manifest = source.store(point)
        for storage in backup.storages:
            storage.publish(point.path(MANIFEST), manifest.to_bytes())
    except BaseException:
        _clean_up(backup, source, point)
        raise
    backup.state.end(point)
    for storage in backup.storages:
        for old in database_plan.delete[storage.location]:
            backup.reporter.step(f"deleting {old.folder} from {storage.location}")
            storage.remove(old)
    _remember(backup, database_plan, manifest)
    return Taken(database_plan, manifest, tuple(swept))


def _sweep(backup: Backup, database: str) -> list[str]:
    died = backup.state.open_points()
    orphan = orphan_rule(died, backup.clock.now())
    swept = [item for storage in backup.storages for item in storage.sweep(database, orphan)]
    for point in died:
        if point.database == database:
            backup.state.end(point)
    return swept


def _clean_up(backup: Backup, source: DumpSource, point: Point) -> None:
    """Leave nothing of a failed run. What cannot be reached now stays in the journal, for the next run."""
    try:
        for storage in backup.storages:
            storage.remove(point)
            storage.sweep(point.database, lambda found: found == point)
        backup.state.end(point)
    except OpsError as error:
        backup.state.audit({"event": "left for the next run", "id": point.id, "error": error.message})
    source.end_left_over(point)


def _remember(backup: Backup, database_plan: DatabasePlan, manifest: Manifest) -> None:
    deleted = {mark(where, point) for where, points in database_plan.delete.items() for point in points}
    known = backup.state.of(manifest.database).damaged
    backup.state.update(
        manifest.database,
        attempt_ok=True,
        success_at=backup.clock.now().timestamp(),
        seconds=manifest.seconds,
        bytes=manifest.dump.bytes,
        retained=database_plan.retained,
        damaged=tuple(item for item in known if item not in deleted),
    )
    backup.state.audit(
        {"event": "published", "database": manifest.database, "id": manifest.id, "deleted": sorted(deleted)}
    )
    if not backup.state.open_points():
        backup.state.forget_journal()
