# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which restore points stay: stories of months in milliseconds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.points import Point, new_point
from ansible_collections.keelson.ops.plugins.module_utils._backup.retention import Retention, judge

UTC = timezone.utc
START = datetime(2024, 1, 1, 2, 0, tzinfo=UTC)


def point(at: datetime) -> Point:
    return new_point("shop", at, "0badcafe")


def kept(points: list[Point], rule: Retention, now: datetime, zone: timezone | ZoneInfo = UTC) -> list[str]:
    return sorted(v.point.taken_at.strftime("%Y-%m-%d") for v in judge(points, rule, now=now, zone=zone) if v.keep)


def simulate(days: int, rule: Retention, failing: frozenset[int] = frozenset()) -> tuple[list[Point], datetime]:
    """A backup at 02:00 each day, pruned after each one; a day in ``failing`` has none, and none prunes then."""
    held: list[Point] = []
    now = START
    for day in range(days):
        now = START + timedelta(days=day)
        if day in failing:
            continue
        held.append(point(now))
        held = [v.point for v in judge(held, rule, now=now, zone=UTC) if v.keep]
    return sorted(held), now


def test_two_years_of_daily_backups_keep_exactly_seven_days_four_weeks_twelve_months() -> None:
    held, now = simulate(731, Retention(daily=7, weekly=4, monthly=12))
    assert now.date().isoformat() == "2025-12-31"
    days = [(now - timedelta(days=n)).date() for n in range(7)]
    # The newest of a week is its Sunday, of a month its last day; the running ones end today.
    sundays = [day.isoformat() for day in map(datetime.fromisoformat, ("2025-12-28", "2025-12-21", "2025-12-14"))]
    month_ends = [
        (datetime(2025, month + 1, 1, tzinfo=UTC) - timedelta(days=1)).date().isoformat() for month in range(1, 12)
    ]
    expected = {d.isoformat() for d in days} | {s[:10] for s in sundays} | set(month_ends)
    assert {p.taken_at.date().isoformat() for p in held} == expected


def test_two_years_of_thirty_days() -> None:
    held, now = simulate(731, Retention(days=30, min_keep=3))
    assert [p.taken_at for p in held] == [now - timedelta(days=n) for n in reversed(range(30))]


def test_a_month_of_failures_deletes_nothing_that_is_good() -> None:
    broken = frozenset(range(100, 150))
    held, _ = simulate(150, Retention(days=30, min_keep=3), broken)
    assert len(held) == 30
    assert held[-1].taken_at == START + timedelta(days=99)


def test_after_a_long_pause_min_keep_holds_old_points() -> None:
    old = [point(START + timedelta(days=n)) for n in range(10)]
    now = START + timedelta(days=400)
    assert kept([*old, point(now)], Retention(days=30, min_keep=3), now) == ["2024-01-09", "2024-01-10", "2025-02-04"]


@pytest.mark.parametrize("rule", [Retention(days=0), Retention(daily=0), Retention(days=1, daily=0, monthly=0)])
def test_the_newest_always_stays(rule: Retention) -> None:
    only = point(START)
    assert kept([only], rule, START + timedelta(days=1000)) == ["2024-01-01"]


def test_without_a_rule_everything_stays() -> None:
    points = [point(START + timedelta(days=n)) for n in range(50)]
    assert len(kept(points, Retention(), START + timedelta(days=3000))) == 50


def test_several_backups_of_a_day_count_as_one_and_the_newest_stays() -> None:
    points = [point(START + timedelta(hours=n)) for n in (0, 6, 12)]
    verdicts = judge(points, Retention(daily=7), now=START + timedelta(hours=12), zone=UTC)
    assert [v.keep for v in verdicts] == [True, False, False]


def test_days_begin_in_the_given_time_zone() -> None:
    before_midnight = point(datetime(2024, 3, 10, 2, 0, tzinfo=UTC))
    after_midnight = point(datetime(2024, 3, 10, 4, 0, tzinfo=UTC))
    now = datetime(2024, 3, 10, 5, 0, tzinfo=UTC)
    rule = Retention(daily=7)
    assert [v.keep for v in judge([before_midnight, after_midnight], rule, now=now, zone=UTC)] == [True, False]
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert [v.keep for v in judge([before_midnight, after_midnight], rule, now=now, zone=sao_paulo)] == [True, True]


def test_iso_weeks_across_a_year_end_are_one_week() -> None:
    points = [point(datetime(2024, 12, 30, 2, tzinfo=UTC)), point(datetime(2025, 1, 5, 2, tzinfo=UTC))]
    assert kept(points, Retention(weekly=4), datetime(2025, 1, 5, 3, tzinfo=UTC)) == ["2025-01-05"]


def test_no_points_no_verdicts() -> None:
    assert judge([], Retention(days=1), now=START, zone=UTC) == []
