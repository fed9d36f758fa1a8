# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of a backup: open runs (journal), last results (state), and the metrics made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .._core.jsonlines import JsonLines
from .._core.statefile import StateFile
from .._core.textfile import Sample, write_textfile
from .points import Point
from .settings import Settings

# A run of another host or configuration into the same folder is over after this time.
FOREIGN_ORPHAN_AGE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Last results of one database; times are seconds since the epoch. ``damaged`` are copies that failed one."""

    attempt_ok: bool | None = None
    success_at: float | None = None
    first_success_at: float | None = None
    seconds: float | None = None
    bytes: int | None = None
    retained: int | None = None
    verified_at: float | None = None
    restore_test_at: float | None = None
    restore_test_seconds: float | None = None
    restore_test_age: float | None = None
    damaged: tuple[str, ...] = field(default=())


class HostState:
    """Reads and writes the files of one backup below ``state_dir``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = Path(settings.state_dir) / settings.name
        self._file = StateFile(self._folder / "state.json")
        self._journal = JsonLines(self._folder / "journal.jsonl")
        self._audit = JsonLines(settings.audit_log)

    def lock_path(self, kind: str) -> Path:
        return self._folder / f"{kind}.lock"

    def begin(self, point: Point) -> None:
        """Remember, before anything is stored, that ``point`` is under way."""
        self._journal.append({"step": "begin", "id": point.id, "database": point.database})

    def end(self, point: Point) -> None:
        """``point`` is published or cleaned up."""
        self._journal.append({"step": "end", "id": point.id})

    def open_points(self) -> set[Point]:
        """Points of runs that died."""
        found: dict[str, Point] = {}
        for entry in self._journal.entries():
            if entry.get("step") == "begin":
                found[str(entry["id"])] = Point(str(entry["id"]), str(entry["database"]))
            else:
                found.pop(str(entry.get("id")), None)
        return set(found.values())

    def forget_journal(self) -> None:
        """All runs it tells of are over."""
        self._journal.remove()

    def audit(self, entry: dict[str, Any]) -> None:
        self._audit.append({"backup": self._settings.name, **entry})

    def of(self, database: str) -> DatabaseState:
        return _state_of(database, self._file.read())

    def update(self, database: str, **changes: Any) -> None:
        """Store results of ``database`` and publish the metrics of all.

        A backup, a verification and a drill of one name have locks of their own and may do this at the same time.
        """
        with self._file.changing() as known:
            changed = replace(_state_of(database, known), **changes)
            if changed.first_success_at is None:
                changed = replace(changed, first_success_at=changed.success_at)
            known[database] = asdict(changed)
            if self._settings.metrics_dir:
                self._publish(Path(self._settings.metrics_dir), known)

    def _publish(self, folder: Path, known: Mapping[str, Mapping[str, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        states = {name: _state_of(name, known) for name in self._settings.databases}
        path = folder / f"keelson_backup_{self._settings.name}.prom"
        write_textfile(path, samples(self._settings.name, states.items()))


def _state_of(database: str, known: Mapping[str, Mapping[str, Any]]) -> DatabaseState:
    names = {f.name for f in fields(DatabaseState)}
    values = {key: value for key, value in known.get(database, {}).items() if key in names}
    return DatabaseState(**{**values, "damaged": tuple(values.get("damaged", ()))})


def orphan_rule(died: set[Point], now: datetime) -> Any:
    """Which unfinished points may be removed: ours that died at once, unknown ones after a day."""
    return lambda point: point in died or now - point.taken_at > FOREIGN_ORPHAN_AGE


_METRICS = (
    ("keelson_backup_last_success_timestamp_seconds", "success_at", "When the newest restore point was published."),
    (
        "keelson_backup_first_success_timestamp_seconds",
        "first_success_at",
        "When this host published its first restore point; restore tests are expected from then on.",
    ),
    ("keelson_backup_last_attempt_status", "attempt_ok", "1 when the last backup run succeeded, 0 when it failed."),
    ("keelson_backup_duration_seconds", "seconds", "How long the last successful backup took."),
    ("keelson_backup_size_bytes", "bytes", "Stored size of the newest restore point."),
    ("keelson_backup_retained", "retained", "Restore points kept, in the destination that has fewest."),
    (
        "keelson_backup_verified_timestamp_seconds",
        "verified_at",
        "When restore points were last verified without a fault.",
    ),
    (
        "keelson_restore_test_last_success_timestamp_seconds",
        "restore_test_at",
        "When a restore was last tested with success.",
    ),
    ("keelson_restore_test_duration_seconds", "restore_test_seconds", "How long the last tested restore took."),
    (
        "keelson_restore_test_backup_age_seconds",
        "restore_test_age",
        "How old the backup was that was last tested: what would have been lost.",
    ),
)


def samples(name: str, states: Iterable[tuple[str, DatabaseState]]) -> list[Sample]:
    """A gauge for each known result of backup ``name``; what never happened has none."""
    return [
        Sample(metric, float(value), text, {"backup": name, "database": database})
        for database, state in states
        for metric, attribute, text in _METRICS
        if (value := getattr(state, attribute)) is not None
    ]
