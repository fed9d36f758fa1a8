# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of a cluster's recovery, and the metrics made of it and of the repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core.jsonlines import JsonLines
from .._core.statefile import StateFile
from .._core.textfile import Sample, write_textfile
from .plan import Prepared
from .repository import TYPES, Repository
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Archive:
    """The archiver's state: times are seconds since the epoch, ``waiting_seconds`` is the age of the oldest segment
    that waits."""

    last_success: float | None
    failing: bool
    waiting: int
    waiting_seconds: float


class State:
    """Reads and writes the files of one cluster below ``state_dir``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The server's user passes through the folder.
        self._file = StateFile(settings.folder / "state.json", folder_mode=0o755)
        self._audit = JsonLines(settings.audit_log)

    def lock_path(self) -> Path:
        return self._settings.folder / "recovery.lock"

    def read(self) -> dict[str, Any]:
        return self._file.read()

    def update(self, **changes: Any) -> None:
        """Store some values; None removes one."""
        with self._file.changing() as known:
            known.update(changes)
            for name in [name for name, value in known.items() if value is None]:
                del known[name]

    def prepared(self) -> Prepared | None:
        """The directory that waits to be switched to, if it is still there."""
        raw = self.read().get("prepared")
        if not isinstance(raw, dict) or not Path(str(raw.get("directory"))).is_dir():
            return None
        return Prepared(**raw)

    def kept(self) -> list[dict[str, str | None]]:
        """Directories with the data from before a switch, oldest first."""
        return list(self.read().get("kept", ()))

    def audit(self, entry: Mapping[str, object]) -> None:
        self._audit.append({"cluster": self._settings.name, **entry})

    def publish(self, samples: list[Sample], part: str) -> None:
        """Write a file of metrics; ``part`` keeps those apart that are written at different times."""
        folder = Path(self._settings.metrics_dir)
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_textfile(folder / f"keelson_pitr_{self._settings.name}_{part}.prom", samples)


def repository_samples(name: str, repository: Repository, archive: Archive | None) -> list[Sample]:
    """Gauges of what is stored and archived; a kind of backup that there is none of has no time. Pure."""
    labels = {"cluster": name}
    found = [Sample("keelson_pitr_repository_ok", float(repository.problem is None), _HELP["ok"], labels)]
    for kind in TYPES:
        usable = repository.of_kind(kind)
        found.append(Sample("keelson_pitr_backups", len(usable), _HELP["backups"], {**labels, "type": kind}))
        if usable:
            at = usable[-1].ended.timestamp()
            text = _HELP["backup_at"]
            found.append(
                Sample("keelson_pitr_backup_last_success_timestamp_seconds", at, text, {**labels, "type": kind})
            )
    stored: dict[int, int] = {}
    for backup in repository.backups:
        stored[backup.repository] = stored.get(backup.repository, 0) + backup.stored
    for number, size in stored.items():
        where = {**labels, "repository": str(number)}
        found.append(Sample("keelson_pitr_repository_size_bytes", size, _HELP["size"], where))
    if archive is not None:
        found += [
            Sample("keelson_pitr_archive_failing", float(archive.failing), _HELP["failing"], labels),
            Sample("keelson_pitr_archive_waiting_segments", archive.waiting, _HELP["waiting"], labels),
            Sample("keelson_pitr_archive_waiting_seconds", archive.waiting_seconds, _HELP["waiting_for"], labels),
        ]
        if archive.last_success is not None:
            text = _HELP["archived"]
            found.append(
                Sample("keelson_pitr_archive_last_success_timestamp_seconds", archive.last_success, text, labels)
            )
    return found


def drill_samples(name: str, state: Mapping[str, Any]) -> list[Sample]:
    """Gauges of the last drills, and of when there was first something to drill with. Pure."""
    return [
        Sample(metric, float(state[key]), text, {"cluster": name})
        for metric, (key, text) in _DRILL.items()
        if key in state
    ]


_DRILL = {
    "keelson_pitr_first_backup_timestamp_seconds": ("first_backup_at", "When the first backup ended."),
    "keelson_pitr_drill_last_attempt_status": ("drill_ok", "1 when the last drill succeeded, 0 when it failed."),
    "keelson_pitr_drill_last_success_timestamp_seconds": ("drill_at", "When a drill last succeeded."),
    "keelson_pitr_drill_duration_seconds": (
        "drill_seconds",
        "How long the last successful drill took to have the data back.",
    ),
}
_HELP = {
    "ok": "1 when pgBackRest finds no fault in the repositories, else 0.",
    "backups": "Backups that are kept, by type.",
    "backup_at": "When the newest backup of this type ended.",
    "size": "Stored size of the backups, without the archived segments.",
    "failing": "1 when the last attempt to archive a segment failed, else 0.",
    "waiting": "Segments that wait to be archived.",
    "waiting_for": "For how long the oldest of them has been waiting.",
    "archived": "When a segment was last archived.",
}
