# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking backups: plan, sweep, dump, publish, prune."""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timezone

from .._core.errors import OpsError
from .archive import collect, pack_commands, stream, suffix
from .backup import Backup, mark
from .client import Programs, require_same_major
from .fingerprint import take_fingerprint
from .manifest import Fingerprint, Manifest, StoredFile
from .plan import DatabasePlan, plan_database
from .points import MANIFEST, Point, new_point
from .server import Snapshot, dump_command, end_other_sessions, globals_command, open_session, take_snapshot
from .session import Session
from .state import orphan_rule
from .storage import Sink


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
        super().__init__(text, failed={name: {"msg": e.message, **e.facts} for name, e in errors.items()})
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
    with backup.programs("backup") as programs:
        for database_plan in plans:
            try:
                done.append(_take_one(backup, programs, database_plan))
            except OpsError as error:
                errors[database_plan.database] = error
                backup.state.update(database_plan.database, attempt_ok=False)
                backup.state.audit({"event": "failed", "database": database_plan.database, "error": error.message})
    if errors:
        raise SomeFailedError(errors, done)
    return done


def _take_one(backup: Backup, programs: Programs, database_plan: DatabasePlan) -> Taken:
    point = database_plan.take
    if point is None:
        return Taken(database_plan, None)
    swept = _sweep(backup, point.database)
    backup.state.begin(point)
    try:
        manifest = _store(backup, programs, point)
    except BaseException:
        _clean_up(backup, programs, point)
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


def _clean_up(backup: Backup, programs: Programs, point: Point) -> None:
    """Leave nothing of a failed run. What cannot be reached now stays in the journal, for the next run."""
    try:
        for storage in backup.storages:
            storage.remove(point)
            storage.sweep(point.database, lambda found: found == point)
        backup.state.end(point)
    except OpsError as error:
        backup.state.audit({"event": "left for the next run", "id": point.id, "error": error.message})
    with suppress(OpsError), open_session(programs, point.database) as session:
        end_other_sessions(session, backup.application("backup"))


def _store(backup: Backup, programs: Programs, point: Point) -> Manifest:
    database, settings, started = point.database, backup.settings, backup.clock.now()
    begun = backup.clock.monotonic()
    with open_session(programs, database) as session:
        end_other_sessions(session, backup.application("backup"))
        snapshot = take_snapshot(session)
        tools = _tools(backup, programs, snapshot, database)
        roles = _pack_globals(backup, programs, snapshot, database) if settings.globals else None
        backup.reporter.step(f"dumping {database} ({snapshot.database_bytes / 1e6:.1f} MB on the server)")
        dump, fingerprint = _dump(backup, programs, session, snapshot, point)
    manifest = Manifest(
        id=point.id,
        database=database,
        started_at=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        finished_at=backup.clock.now().isoformat(timespec="seconds"),
        seconds=round(backup.clock.monotonic() - begun, 3),
        dump=dump,
        globals=_store_globals(backup, point, roles) if roles is not None else None,
        globals_have_passwords=roles is not None and snapshot.superuser,
        fingerprint=fingerprint,
        server_version=snapshot.server_version,
        tools=tools,
        extensions=snapshot.extensions,
        locale=snapshot.locale,
        owner=snapshot.owner,
        wal_position=snapshot.wal_position,
        database_bytes=snapshot.database_bytes,
        encryption=settings.encryption_recipients,
    )
    for storage in backup.storages:
        storage.publish(point.path(MANIFEST), manifest.to_bytes())
    return manifest


def _tools(backup: Backup, programs: Programs, snapshot: Snapshot, database: str) -> dict[str, str]:
    names = ["pg_dump", *(["pg_dumpall"] if backup.settings.globals else [])]
    return {name: require_same_major(programs, name, snapshot.major, database, backup.runner) for name in names}


def _dump(
    backup: Backup, programs: Programs, session: Session, snapshot: Snapshot, point: Point
) -> tuple[StoredFile, Fingerprint]:
    name = "dump" + suffix(backup.settings)
    dump = dump_command(programs, point.database, snapshot, backup.settings.lock_wait_timeout)
    with ThreadPoolExecutor(1, thread_name_prefix="keelson-fingerprint") as pool, ExitStack() as on_error:
        sinks: list[Sink] = []
        for storage in backup.storages:
            sinks.append(storage.sink(point.path(name), snapshot.database_bytes))
            on_error.callback(_abort, sinks[-1])
        counting = pool.submit(take_fingerprint, session.value)
        # Runs before the pool waits: a fingerprint whose session has ended fails at once.
        on_error.callback(session.stop)
        stored = stream(
            name,
            [dump, *pack_commands(backup.settings)],
            sinks,
            lambda done: backup.reporter.progress(done, None),
            join=counting.result,
        )
        on_error.pop_all()
        return stored, counting.result()


def _abort(sink: Sink) -> None:
    # The first error is the one to tell; what cannot be aborted now is swept later.
    with suppress(OpsError):
        sink.abort()


def _pack_globals(backup: Backup, programs: Programs, snapshot: Snapshot, database: str) -> bytes:
    return collect([globals_command(programs, database, snapshot), *pack_commands(backup.settings)])


def _store_globals(backup: Backup, point: Point, packed: bytes) -> StoredFile:
    name = "globals.sql" + suffix(backup.settings)
    for storage in backup.storages:
        storage.write(point.path(name), packed)
    return StoredFile(name, len(packed), hashlib.sha256(packed).hexdigest())


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
