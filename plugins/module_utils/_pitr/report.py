# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as plain data: what the modules return and what ``keelson pitr --json`` prints."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .drill import Drilled
from .plan import RestorePlan
from .repository import Repository
from .restore import Result
from .state import Archive


def plan_data(plan: RestorePlan) -> dict[str, Any]:
    """What a restore would do."""
    return {
        "target": plan.target.text,
        "action": plan.action,
        "reason": plan.reason,
        "backup": plan.backup.label if plan.backup else None,
        "timeline": plan.timeline,
        "needed_bytes": plan.needed,
        "switch": plan.switch,
    }


def result_data(result: Result) -> dict[str, Any]:
    """What a restore did."""
    return {
        "target": result.target,
        "switched": result.switched,
        "directory": result.directory,
        "volume": result.volume,
        "restore_seconds": result.restore_seconds,
        "outage_seconds": result.outage_seconds,
        "last_transaction": result.newest,
    }


def drill_data(done: Drilled) -> dict[str, Any]:
    """What a drill measured."""
    return {
        "target": done.target,
        "backup": done.backup,
        "rto_seconds": done.seconds,
        "bytes": done.size,
        "assertions": done.assertions,
    }


def repository_data(repository: Repository, archive: Archive | None) -> dict[str, Any]:
    """What is stored and archived."""
    return {
        "ok": repository.problem is None,
        "problem": repository.problem,
        "earliest_target": _text(min((b.ended for b in repository.backups if not b.damaged), default=None)),
        "wal_first": repository.wal_first,
        "wal_last": repository.wal_last,
        "archive": None
        if archive is None
        else {
            "last_success": archive.last_success,
            "failing": archive.failing,
            "waiting_segments": archive.waiting,
            "waiting_seconds": archive.waiting_seconds,
        },
        "backups": [
            {
                "label": backup.label,
                "type": backup.kind,
                "ended": _text(backup.ended),
                "bytes": backup.size,
                "stored_bytes": backup.stored,
                "repository": backup.repository,
                "damaged": backup.damaged,
            }
            for backup in repository.backups
        ],
    }


def _text(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S}+00"
