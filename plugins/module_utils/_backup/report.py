# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as plain data: what the modules return and what ``keelson backup --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .plan import DatabasePlan
from .restore import Restored
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


def restored_data(restored: Restored) -> dict[str, Any]:
    """A restore or a drill."""
    return {
        "id": restored.listed.point.id,
        "database": restored.listed.point.database,
        "destination": restored.listed.storage.location,
        "into": restored.into,
        "rto_seconds": restored.seconds,
        "rpo_seconds": restored.age_seconds,
        "tables": restored.tables,
        "rows": restored.rows,
        "assertions": restored.assertions,
    }
