# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run takes and deletes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.keelson.ops.plugins.module_utils._backup.plan import DatabasePlan, Destination, plan_database
from ansible_collections.keelson.ops.plugins.module_utils._backup.points import Point, new_point
from ansible_collections.keelson.ops.plugins.module_utils._backup.retention import Retention

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
HOUR = 3600.0


def aged(hours: float) -> Point:
    return new_point("shop", NOW - timedelta(hours=hours), "00000001")


def plan(*held: Destination, max_age: float | None = None, retention: Retention | None = None) -> DatabasePlan:
    return plan_database(
        new_point("shop", NOW, "0000000f"),
        held,
        max_age=max_age,
        retention=retention or Retention(),
        now=NOW,
        zone=timezone.utc,
    )


def test_without_max_age_each_run_takes_one() -> None:
    assert plan(Destination("/a", (aged(0.1),))).take is not None


def test_a_young_point_in_every_destination_is_enough() -> None:
    made = plan(Destination("/a", (aged(2),)), Destination("/b", (aged(3),)), max_age=20 * HOUR)
    assert made.take is None
    assert made.reason == "the newest restore point is 2 h 0 min old"
    assert made.delete == {}


def test_one_destination_without_a_point_is_reason_enough() -> None:
    made = plan(Destination("/a", (aged(2),)), Destination("s3://b", ()), max_age=20 * HOUR)
    assert made.take is not None
    assert made.reason == "no restore point in s3://b"


def test_an_old_point_in_one_destination_is_reason_enough() -> None:
    made = plan(Destination("/a", (aged(2),)), Destination("/b", (aged(50),)), max_age=20 * HOUR)
    assert made.reason == "the newest restore point in /b is 2 d 2 h old"


def test_a_damaged_point_does_not_count_as_a_backup() -> None:
    made = plan(Destination("/a", (), (aged(1),)), max_age=20 * HOUR)
    assert made.take is not None


def test_nothing_is_deleted_when_nothing_is_taken() -> None:
    held = tuple(aged(h) for h in (1, 24 * 50, 24 * 60))
    assert plan(Destination("/a", held), max_age=20 * HOUR, retention=Retention(days=7)).delete == {}


def test_deletes_per_destination_what_the_rule_lets_go_and_what_is_damaged() -> None:
    old, bad, fresh = aged(24 * 50), aged(24 * 2), aged(24)
    made = plan(
        Destination("/a", (old, fresh), (bad,)), Destination("/b", (fresh,)), retention=Retention(days=7, min_keep=1)
    )
    assert made.delete == {"/a": (old, bad), "/b": ()}
    assert made.retained == 2


def test_the_new_point_counts_towards_min_keep_and_damaged_ones_do_not() -> None:
    old, older, bad = aged(24 * 50), aged(24 * 60), aged(24)
    made = plan(Destination("/a", (older, old), (bad,)), retention=Retention(days=7, min_keep=2))
    assert made.delete == {"/a": (older, bad)}


def test_keeping_everything_keeps_damaged_points_too() -> None:
    assert plan(Destination("/a", (aged(1),), (aged(2),))).delete == {"/a": ()}
