# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a point: into a new database that is compared first and then renamed, also into the live one's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._core.errors import OpsError
from .backup import Backup
from .globals_restore import create_roles, missing_tablespaces, read_globals
from .load import RestoredDiffersError, Work, give_properties, load, preflight
from .manifest import Manifest
from .properties import is_plain
from .restore_log import Origin, RestoreLog
from .restore_plan import Live, Request, RestorePlan, decide, require_confirmation
from .roles import Globals
from .server import ServerFacts, database_properties, drop_database, server_facts
from .swap import exchange, refuse_prepared
from .tables import needed_bytes, restore_tables
from .verify import Listed, choose
from .work_place import Place, throw_away, work_place

__all__ = [
    "Prepared",
    "Restored",
    "RestoredDiffersError",
    "plan_restore",
    "remove_databases",
    "require_server",
    "restore",
    "working",
]


@dataclass(frozen=True, slots=True)
class Restored:
    """``seconds`` from the start to a database that is known to be right; ``age_seconds`` is how old its content is.

    ``outage_seconds`` is how long nobody could connect to a database that was replaced.
    """

    listed: Listed
    into: str
    seconds: float
    age_seconds: float
    tables: int
    rows: int
    assertions: int = 0
    changed: bool = True
    set_aside: str | None = None
    removed: tuple[str, ...] = ()
    outage_seconds: float | None = None
    created_roles: tuple[str, ...] = ()
    schema: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is known before anything is changed."""

    request: Request
    place: Place
    facts: ServerFacts
    listed: Listed
    found: Globals | None
    plan: RestorePlan

    @property
    def manifest(self) -> Manifest:
        return self.listed.need_manifest()


def plan_restore(backup: Backup, request: Request) -> Prepared:
    """What ``restore`` would do. Raises OpsError for what would stop it, but for a missing confirmation."""
    require_server(backup)
    with (
        backup.programs("restore") as programs,
        work_place(backup, programs, "restore", request.target, clean=False) as place,
    ):
        return _prepare(backup, place, request)


def restore(backup: Backup, request: Request) -> Restored:
    """Restore a point as ``request`` says. Raises OpsError; the server's databases are then what they were."""
    begun = backup.clock.monotonic()
    with working(backup, request.target) as place:
        prepared = _prepare(backup, place, request)
        require_confirmation(request, prepared.plan)
        if not prepared.plan.changed:
            return _result(backup, prepared, begun, changed=False)
        try:
            done = (_tables if request.tables else _whole)(backup, prepared, begun)
        except OpsError as error:
            backup.state.audit({"event": "restore failed", "database": request.database, "error": error.message})
            raise
        told = {"id": done.listed.point.id, "into": done.into, "set_aside": done.set_aside, "schema": done.schema}
        backup.state.audit({"event": "restored", "database": request.database, **told})
        return done


def require_server(backup: Backup) -> None:
    """Raises OpsError for a backup that is of no PostgreSQL server."""
    if backup.settings.command is not None:
        raise OpsError(
            f"backup {backup.settings.name} holds what a command wrote, which only its own program can restore; "
            f"write it out with: keelson backup extract {backup.settings.name} --to FILE"
        )


@contextmanager
def working(backup: Backup, target: str, *, clean: bool = True) -> Iterator[Place]:
    """The one restore at a time of this backup, with what a killed one left removed. Raises LockHeld, OpsError."""
    require_server(backup)
    with (
        backup.locked("restore"),
        backup.programs("restore") as programs,
        work_place(backup, programs, "restore", target, clean=clean) as place,
    ):
        yield place


def remove_databases(backup: Backup, place: Place, names: tuple[str, ...]) -> None:
    for name in names:
        backup.reporter.step(f"removing {name}")
        drop_database(place.session, name)


def _prepare(backup: Backup, place: Place, request: Request) -> Prepared:
    listed = choose(backup, request.database, request.point)
    manifest = listed.need_manifest()
    facts = server_facts(place.session)
    origins = RestoreLog(backup.settings).of(facts.system)
    live = {name: Live(oid, origins[oid].point if oid in origins else None) for name, oid in facts.databases.items()}
    plan = decide(request, listed.point, live, backup.clock.now())
    found = None
    if plan.set_aside is not None:
        refuse_prepared(place.session, [plan.target])
    if plan.changed:
        preflight(backup, place, manifest, needed_bytes(manifest, request.tables) if request.tables else None)
        found = read_globals(backup, listed, facts) if request.create_roles and not request.tables else None
    return Prepared(request, place, facts, listed, found, plan)


def _whole(backup: Backup, prepared: Prepared, begun: float) -> Restored:
    place, plan, listed = prepared.place, prepared.plan, prepared.listed
    facts, warnings = create_roles(backup, place, prepared.facts, prepared.found)
    with throw_away(place) as name:
        warnings += load(Work(backup, place, facts, listed), name, spaces=missing_tablespaces(facts, prepared.found))
        renames = [(name, plan.target)]
        if plan.set_aside is not None:
            renames.insert(0, (plan.target, plan.set_aside))
        warnings += give_properties(place, facts, _properties(prepared), name)
        oid = server_facts(place.session).databases[name]
        RestoreLog(backup.settings).add(Origin(facts.system, oid, listed.point.id, facts.databases.get(plan.target)))
        backup.reporter.step(f"renaming {' and '.join(f'{old} to {new}' for old, new in renames)}")
        outage = exchange(place, backup.clock, renames)
    remove_databases(backup, place, plan.remove)
    return _result(
        backup,
        prepared,
        begun,
        outage_seconds=round(outage, 3) if plan.set_aside else None,
        created_roles=tuple(sorted(facts.roles - prepared.facts.roles)),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _properties(prepared: Prepared) -> dict[str, Any] | None:
    """Those of the database that is replaced, unless nobody ever gave it any, as after a loss of the server."""
    stored = prepared.manifest.properties
    if prepared.plan.set_aside is not None:
        present = database_properties(prepared.place.session, prepared.plan.target)
        if stored is None or not is_plain(present):
            return present
        return {**stored, "owner": present["owner"]}
    return dict(stored) if stored is not None else None


def _tables(backup: Backup, prepared: Prepared, begun: float) -> Restored:
    plan, request = prepared.plan, prepared.request
    work = Work(backup, prepared.place, prepared.facts, prepared.listed)
    with throw_away(prepared.place) as name:
        made = restore_tables(work, request.tables, name, plan)
    chosen = [table for table in prepared.manifest.fingerprint.tables if table.name in request.tables]
    return _result(
        backup,
        prepared,
        begun,
        changed=made,
        schema=plan.schema,
        tables=len(chosen),
        rows=sum(table.rows for table in chosen),
    )


def _result(backup: Backup, prepared: Prepared, begun: float, **more: Any) -> Restored:
    contents = prepared.manifest.fingerprint.tables
    known: dict[str, Any] = {
        "listed": prepared.listed,
        "into": prepared.plan.target,
        "seconds": round(backup.clock.monotonic() - begun, 3),
        "age_seconds": round((backup.clock.now() - prepared.listed.point.taken_at).total_seconds()),
        "tables": len(contents),
        "rows": sum(table.rows for table in contents),
        "set_aside": prepared.plan.set_aside,
        "removed": (*prepared.place.removed, *prepared.plan.remove),
    }
    return Restored(**{**known, **more})
