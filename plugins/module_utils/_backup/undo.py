# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a restore: putting the replaced database back, and removing those that are kept no longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .._core.errors import OpsError
from .backup import Backup
from .restore import remove_databases, working
from .restore_log import Origin, RestoreLog
from .restore_plan import Keep, Request, RestorePlan, before_name, expired, kept, require_confirmation
from .server import ServerFacts, databases, server_facts
from .swap import exchange


def undo(backup: Backup, request: Request, old: str | None = None, *, check: bool = False) -> RestorePlan:
    """Put the database back that the last restore replaced, or ``old``; the restored one is set aside in turn.

    Raises OpsError when nothing is known to put back and when its name is not repeated in ``request.confirm``.
    """
    target, log = request.target, RestoreLog(backup.settings)
    with working(backup, target, clean=not check) as place:
        facts = server_facts(place.session)
        origins = log.of(facts.system)
        back = _database_before(facts, target, old, origins)
        if back is None:
            return RestorePlan(target, f"{target} is the database from before the restore already", changed=False)
        aside = before_name(target, backup.clock.now())
        plan = RestorePlan(target, f"{back} comes back", set_aside=aside)
        if check:
            return plan
        require_confirmation(request, plan)
        origin = origins.get(facts.databases[back])
        if origin is not None:
            # From now on there is nothing to undo, until the next restore.
            log.add(replace(origin, instead_of=None))
        backup.reporter.step(f"renaming {target} to {aside} and {back} to {target}")
        exchange(place, backup.clock, [(target, aside), (back, target)])
        backup.state.audit({"event": "restore undone", "database": target, "set_aside": aside, "back": back})
        return plan


def clean(backup: Backup, database: str, keep: Keep, confirm: str | None, *, check: bool = False) -> RestorePlan:
    """Remove what killed runs left and databases beyond ``keep`` that restores set aside. Raises OpsError."""
    with working(backup, database, clean=not check) as place:
        gone = tuple(expired(database, databases(place.session), keep, backup.clock.now()))
        plan = RestorePlan(database, "set aside by restores", remove=(*place.removed, *gone))
        plan = replace(plan, changed=bool(plan.remove))
        if gone and not check:
            if confirm != database:
                raise OpsError(
                    f"{', '.join(gone)} would be removed for ever; repeat the name (option confirm: {database})"
                )
            remove_databases(backup, place, gone)
            backup.state.audit({"event": "removed", "database": database, "names": list(gone)})
        return plan


def _database_before(facts: ServerFacts, target: str, old: str | None, origins: Mapping[int, Origin]) -> str | None:
    """The name of the database to put back; None when that was done already. Raises OpsError."""
    live = facts.databases.get(target)
    if old is not None and live is not None and old in facts.databases and old != target:
        return old
    record = origins.get(live) if live is not None and old is None else None
    for name, oid in facts.databases.items():
        if record is not None and oid == record.instead_of:
            return name
    if old is None and live is not None and any(origin.instead_of == live for origin in origins.values()):
        return None
    there = ", ".join(kept(target, facts.databases)) or "none"
    raise OpsError(
        f"it is not known what {old or 'a restore'} replaced as {target}; name a database (option old_database; "
        f"set aside on this server: {there})"
    )
