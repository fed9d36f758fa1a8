# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as plain data: what the modules return and what ``keelson backup --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .drill import Targets
from .plan import DatabasePlan
from .restore import Prepared, Restored
from .restore_plan import RestorePlan
from .s3_versions import LostPoint
from .take import Taken
from .verify import Checked, Listed


def plan_data(plan: DatabasePlan) -> dict[str, Any]:
    """What a run would do for a database."""
    return {
        "database": plan.database,
        "take": plan.take is not None,
        "reason": plan.reason,
        "delete": [{"destination": where, "id": p.id} for where, points in plan.delete.items() for p in points],
        "retained": plan.retained,
    }


def plan_text(plans: Sequence[DatabasePlan]) -> str:
    """Plans as the text of a diff."""
    lines = [f"+ {plan.take.folder} ({plan.reason})" for plan in plans if plan.take]
    lines += [
        f"- {where}/{point.folder}" for plan in plans for where, points in plan.delete.items() for point in points
    ]
    return "\n".join(lines) + "\n"


def taken_data(taken: Taken) -> dict[str, Any]:
    """What a run did for a database."""
    data = plan_data(taken.plan)
    manifest = taken.manifest
    if manifest is not None:
        data |= {
            "id": manifest.id,
            "source": manifest.source,
            "bytes": manifest.dump.bytes,
            "sha256": manifest.dump.sha256,
            "seconds": manifest.seconds,
            "rows": sum(table.rows for table in manifest.fingerprint.tables),
            "tables": len(manifest.fingerprint.tables),
            "server_version": manifest.server_version,
            "wal_position": manifest.wal_position,
            "swept": list(taken.swept),
        }
    return data


def listed_data(listed: Listed) -> dict[str, Any]:
    """A restore point in a destination."""
    manifest = listed.manifest
    data: dict[str, Any] = {
        "id": listed.point.id,
        "database": listed.point.database,
        "destination": listed.storage.location,
        "taken_at": listed.point.taken_at.isoformat(),
        "fault": listed.fault,
        "source": manifest.source if manifest is not None else None,
    }
    if manifest is not None:
        data |= {
            "bytes": manifest.dump.bytes,
            "database_bytes": manifest.database_bytes,
            "server_version": manifest.server_version,
            "seconds": manifest.seconds,
            "encrypted": bool(manifest.encryption),
        }
    return data


def lost_data(lost: LostPoint) -> dict[str, Any]:
    """A point that could be brought back."""
    return {
        "id": lost.point.id,
        "database": lost.point.database,
        "destination": lost.storage.location,
        "state": lost.state,
        "changed_at": lost.changed_at.isoformat(timespec="seconds"),
        "bytes": lost.bytes,
    }


def checked_data(checked: Checked) -> dict[str, Any]:
    """A verification of a point."""
    return {**listed_data(checked.listed), "level": checked.level, "fault": checked.fault, "ok": checked.fault is None}


def restore_plan_data(prepared: Prepared) -> dict[str, Any]:
    """What a restore would do."""
    plan, manifest = prepared.plan, prepared.manifest
    contents = [t for t in manifest.fingerprint.tables if not plan.schema or t.name in prepared.request.tables]
    return {
        "id": prepared.listed.point.id,
        "database": prepared.listed.point.database,
        "destination": prepared.listed.storage.location,
        "into": plan.target,
        "reason": plan.reason,
        "changed": plan.changed,
        "set_aside": plan.set_aside,
        "removed": list(plan.remove),
        "schema": plan.schema,
        "created_roles": list(prepared.found.new) if prepared.found else [],
        "tables": len(contents),
        "rows": sum(table.rows for table in contents),
    }


def restore_plan_text(data: Mapping[str, Any]) -> str:
    """The plan of a restore as the text of a diff."""
    if not data["changed"]:
        return ""
    what = f"{data['rows']} rows in {data['tables']} tables of {data['id']} from {data['destination']}"
    lines = [f"+ role {name}" for name in data["created_roles"]]
    if data["set_aside"]:
        lines.append(f"~ database {data['into']} is renamed to {data['set_aside']}, its sessions are ended")
    place = f"schema {data['schema']} in database" if data["schema"] else "database"
    lines.append(f"+ {place} {data['into']}: {what}")
    lines += [f"- database {name}" for name in data["removed"]]
    return "\n".join(lines) + "\n"


def undo_data(plan: RestorePlan) -> dict[str, Any]:
    """What undoing a restore, or cleaning up after restores, does."""
    return {
        "into": plan.target,
        "reason": plan.reason,
        "changed": plan.changed,
        "set_aside": plan.set_aside,
        "removed": list(plan.remove),
    }


def restored_data(restored: Restored) -> dict[str, Any]:
    """A restore or a drill."""
    return {
        "id": restored.listed.point.id,
        "database": restored.listed.point.database,
        "destination": restored.listed.storage.location,
        "into": restored.into,
        "changed": restored.changed,
        "rto_seconds": restored.seconds,
        "rpo_seconds": restored.age_seconds,
        "tables": restored.tables,
        "rows": restored.rows,
        "assertions": restored.assertions,
        "set_aside": restored.set_aside,
        "removed": list(restored.removed),
        "outage_seconds": restored.outage_seconds,
        "created_roles": list(restored.created_roles),
        "schema": restored.schema,
        "warnings": list(restored.warnings),
    }


def drill_data(restored: Restored, targets: Targets) -> dict[str, Any]:
    """A drill, held against what a recovery may take and lose."""
    missed = targets.missed(restored.seconds, restored.age_seconds)
    limits = {"rto_target_seconds": targets.rto, "rpo_target_seconds": targets.rpo}
    return {**restored_data(restored), **limits, "within_targets": not missed, "missed": missed}
