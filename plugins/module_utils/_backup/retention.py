# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which restore points stay. Pure: it is handed successful points only, and the instant it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from .points import Point


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep points younger than ``days``, and the newest point of each of the last ``daily`` days, ``weekly`` ISO weeks
    and ``monthly`` months that have one. At least ``min_keep`` newest points stay. With no rule all points stay.
    """

    days: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    min_keep: int = 1

    @property
    def unlimited(self) -> bool:
        return all(rule is None for rule in (self.days, self.daily, self.weekly, self.monthly))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons`` says why a point stays; a point without a reason goes."""

    point: Point
    reasons: tuple[str, ...]

    @property
    def keep(self) -> bool:
        return bool(self.reasons)


def judge(points: Iterable[Point], rule: Retention, *, now: datetime, zone: tzinfo) -> list[Verdict]:
    """A verdict for each point, newest first. The newest point always stays."""
    newest_first = sorted(points, reverse=True)
    reasons: dict[Point, list[str]] = {point: [] for point in newest_first}
    for point in newest_first[: max(1, rule.min_keep)]:
        reasons[point].append("newest")
    for point in newest_first:
        if rule.unlimited:
            reasons[point].append("no rule")
        elif rule.days is not None and now - point.taken_at < timedelta(days=rule.days):
            reasons[point].append("days")
    for name, count, bucket in _tiers(rule):
        for point in _newest_per_bucket(newest_first, count, zone, bucket):
            reasons[point].append(name)
    return [Verdict(point, tuple(reasons[point])) for point in newest_first]


Bucket = Callable[[datetime], tuple[int, ...]]


def _tiers(rule: Retention) -> list[tuple[str, int, Bucket]]:
    tiers: list[tuple[str, int | None, Bucket]] = [
        ("daily", rule.daily, lambda t: (t.year, t.month, t.day)),
        ("weekly", rule.weekly, lambda t: t.isocalendar()[:2]),
        ("monthly", rule.monthly, lambda t: (t.year, t.month)),
    ]
    return [(name, count, bucket) for name, count, bucket in tiers if count is not None]


def _newest_per_bucket(newest_first: list[Point], count: int, zone: tzinfo, bucket: Bucket) -> list[Point]:
    chosen: dict[tuple[int, ...], Point] = {}
    for point in newest_first:
        chosen.setdefault(bucket(point.taken_at.astimezone(zone)), point)
    return list(chosen.values())[:count]
