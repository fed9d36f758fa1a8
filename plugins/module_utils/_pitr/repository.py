# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``pgbackrest info --output=json`` says about a stanza. Pure.

Format: https://pgbackrest.org/command.html#command-info
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._core.errors import OpsError

TYPES = ("full", "diff", "incr")
MISSING_STANZA = (1, 3)
"""Status codes: no repository path for the stanza, no data for it."""


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """One backup; sizes in bytes, ``stored`` is what it added to the repository."""

    label: str
    kind: str
    began: datetime
    ended: datetime
    size: int
    stored: int
    repository: int
    system_id: int | None
    wal_start: str
    damaged: bool

    @property
    def timeline(self) -> int:
        return int(self.wal_start[:8], 16) if self.wal_start else 1


@dataclass(frozen=True, slots=True)
class Repository:
    """All repositories of a stanza; ``problem`` says why it can't be used, None when it can."""

    exists: bool
    problem: str | None
    system_id: int | None
    backups: tuple[StoredBackup, ...]
    wal_first: str | None
    wal_last: str | None

    def of_kind(self, kind: str) -> list[StoredBackup]:
        """Usable backups of ``kind``, oldest first."""
        return [backup for backup in self.backups if backup.kind == kind and not backup.damaged]


def parse_info(text: str, stanza: str) -> Repository:
    """The repository as described by pgBackRest. Raises OpsError for output of another kind."""
    try:
        found = [item for item in json.loads(text) if item["name"] == stanza]
        return _repository(found[0]) if found else Repository(False, "there is no stanza", None, (), None, None)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise OpsError(
            "pgbackrest info did not answer with the JSON it is documented to give", output=text[:500]
        ) from None


def _repository(data: dict[str, Any]) -> Repository:
    status = data["status"]
    systems = {(db.get("repo-key", 1), db["id"]): int(db["system-id"]) for db in data.get("db", ())}
    newest = data["db"][-1] if data.get("db") else None
    archives = [a for a in data.get("archive", ()) if newest and a["database"]["id"] == newest["id"]]
    backups = sorted((_backup(item, systems) for item in data.get("backup", ())), key=lambda backup: backup.ended)
    # No backup yet (2) is no fault of the stanza.
    fine = status["code"] in (0, 2)
    return Repository(
        exists=newest is not None and status["code"] not in MISSING_STANZA,
        problem=None if fine else str(status["message"]),
        system_id=int(newest["system-id"]) if newest else None,
        backups=tuple(backups),
        wal_first=min((a["min"] for a in archives if a.get("min")), default=None),
        wal_last=max((a["max"] for a in archives if a.get("max")), default=None),
    )


def _backup(item: dict[str, Any], systems: dict[tuple[int, int], int]) -> StoredBackup:
    database = item["database"]
    repository = database.get("repo-key", 1)
    stored = item["info"]["repository"]
    return StoredBackup(
        label=item["label"],
        kind=item["type"],
        began=_time(item["timestamp"]["start"]),
        ended=_time(item["timestamp"]["stop"]),
        size=int(item["info"]["size"]),
        stored=int(stored.get("delta", 0)),
        repository=repository,
        system_id=systems.get((repository, database["id"])),
        wal_start=(item.get("archive") or {}).get("start") or "",
        damaged=bool(item.get("error")),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
