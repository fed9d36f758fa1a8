# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide, then act: what a backup run would take and delete. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from .points import Point
from .retention import Retention, judge


@dataclass(frozen=True, slots=True)
class Destination:
    """What a destination held when the plan was made: good points, and those a verification found damaged."""

    location: str
    good: tuple[Point, ...]
    damaged: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """``take`` is None when the newest point is young enough. ``delete`` maps a destination's location to points."""

    database: str
    take: Point | None
    reason: str
    delete: Mapping[str, tuple[Point, ...]]
    retained: int


def plan_database(
    new: Point,
    destinations: Sequence[Destination],
    *,
    max_age: float | None,
    retention: Retention,
    now: datetime,
    zone: tzinfo,
) -> DatabasePlan:
    """What a run makes of ``new.database``. Nothing is deleted by a run that takes nothing."""
    reason = _why(destinations, max_age, now)
    if reason is None:
        newest = max(max(d.good) for d in destinations)
        age = _words(now - newest.taken_at)
        kept = min(len(d.good) for d in destinations)
        return DatabasePlan(new.database, None, f"the newest restore point is {age} old", {}, kept)
    delete: dict[str, tuple[Point, ...]] = {}
    retained = []
    for destination in destinations:
        verdicts = judge((*destination.good, new), retention, now=now, zone=zone)
        goes = [v.point for v in verdicts if not v.keep]
        # Damaged ones only go when the rule has limits: "keep everything" keeps evidence too.
        goes += [] if retention.unlimited else list(destination.damaged)
        delete[destination.location] = tuple(sorted(goes))
        retained.append(sum(v.keep for v in verdicts))
    return DatabasePlan(new.database, new, reason, delete, min(retained))


def _why(destinations: Sequence[Destination], max_age: float | None, now: datetime) -> str | None:
    for destination in destinations:
        if not destination.good:
            return f"no restore point in {destination.location}"
    if max_age is None:
        return "asked for"
    for destination in destinations:
        age = now - max(destination.good).taken_at
        if age.total_seconds() >= max_age:
            return f"the newest restore point in {destination.location} is {_words(age)} old"
    return None


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
