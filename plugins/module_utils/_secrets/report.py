# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says: results, diff, metrics and audit. Nothing here ever saw a value."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .._core.clock import Clock
from .._core.jsonlines import JsonLines
from .._core.textfile import Sample, render, write_textfile
from .campaign import Course, due_at
from .credential import Phase


def facts_of(course: Course) -> dict[str, object]:
    """One secret, as modules return it."""
    current, due = course.holdings.current, due_at(course)
    return {
        "name": course.name,
        "action": course.decision.action.value,
        "reason": course.decision.reason,
        "changed": course.changed,
        "phase": course.phase.value if course.phase else None,
        "version": current.id if current else None,
        "created": current.created.isoformat() if current else None,
        "due": due.isoformat() if due else None,
        "revoked": course.revoked,
        "rolled_back": course.went_back,
        "error": course.error.message if course.error else None,
    }


def plan_text(courses: Iterable[Course]) -> str:
    """The diff: one line for each secret that changes."""
    return "".join(
        f"{c.name}: {c.decision.action.value} ({c.decision.reason})\n" for c in courses if c.decision.changes
    )


def samples(course: Course) -> list[Sample]:
    """The gauges of one secret; without a current version there is no time of rotation."""
    labels = {"secret": course.name}
    age = Sample(
        "keelson_secret_max_age_seconds",
        course.rotation.wish.max_age.total_seconds(),
        "Age at which the secret is overdue.",
        labels,
    )
    status = Sample(
        "keelson_secret_last_attempt_status",
        0.0 if course.error else 1.0,
        "1 when the last run over the secret succeeded, 0 when it failed.",
        labels,
    )
    phases = [
        Sample(
            "keelson_secret_phase",
            1.0 if phase is course.phase else 0.0,
            "How far the newest version has come.",
            {**labels, "phase": phase.value},
        )
        for phase in Phase
    ]
    current = course.holdings.current
    if current is None:
        return [age, status, *phases]
    text = "When the current version of the secret was made."
    return [
        Sample("keelson_secret_rotated_timestamp_seconds", current.created.timestamp(), text, labels),
        age,
        status,
        *phases,
    ]


def publish(courses: Iterable[Course], directory: Path) -> None:
    """A file of metrics per secret, written only when it differs. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    for course in courses:
        path = directory / f"keelson_secret_{course.name}.prom"
        known = samples(course)
        if not path.exists() or path.read_text(encoding="utf-8") != render(known):
            write_textfile(path, known)


def audit(courses: Iterable[Course], path: Path, clock: Clock) -> None:
    """A line for each secret that was changed or failed. Raises OSError."""
    lines = JsonLines(path)
    for course in courses:
        if course.changed or course.error:
            lines.append({"at": clock.now().isoformat(), **facts_of(course)})
