# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore decides: names, what is replaced, what goes, and when nothing is to be done."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.points import Point
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import (
    Keep,
    Live,
    Request,
    before_name,
    decide,
    expired,
    kept,
    require_confirmation,
    schema_name,
    set_aside_at,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.work_place import name_prefix
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

NOW = datetime(2026, 11, 22, 8, 30, 5, tzinfo=timezone.utc)
POINT = Point("20261122T020000Z-00c0ffee", "shop")
ASIDE = "shop_before_20261122_083005"


def test_a_name_that_is_free_needs_no_confirmation() -> None:
    plan = decide(Request("shop"), POINT, {"postgres": Live(1)}, NOW)
    assert (plan.target, plan.set_aside, plan.changed) == ("shop", None, True)
    require_confirmation(Request("shop"), plan)


@pytest.mark.parametrize("confirm", [None, "", "Shop", "shop ", "shop_copy"])
def test_a_name_that_is_taken_needs_exactly_this_name(confirm: str | None) -> None:
    request = Request("shop", confirm=confirm)
    plan = decide(request, POINT, {"shop": Live(7)}, NOW)
    assert plan.set_aside == ASIDE
    with pytest.raises(OpsError, match=f"confirm: shop.*{ASIDE}"):
        require_confirmation(request, plan)
    require_confirmation(Request("shop", confirm="shop"), plan)


def test_what_was_restored_from_this_point_is_left_alone() -> None:
    live = {"shop": Live(7, POINT.id)}
    assert not decide(Request("shop"), POINT, live, NOW).changed
    assert decide(Request("shop", force=True), POINT, live, NOW).set_aside == ASIDE
    assert decide(Request("shop"), POINT, {"shop": Live(7, "20261121T020000Z-00c0ffee")}, NOW).changed


def test_tables_go_into_a_schema_named_by_the_points_time() -> None:
    plan = decide(Request("shop", tables=("public.orders",)), POINT, {"shop": Live(7)}, NOW)
    assert (plan.schema, plan.set_aside) == ("restored_20261122_020000", None)
    require_confirmation(Request("shop"), plan)
    with pytest.raises(OpsError, match="no database shop"):
        decide(Request("shop", tables=("public.orders",)), POINT, {}, NOW)


@pytest.mark.parametrize("name", ["x" * 64, "ü" * 32])
def test_a_name_that_postgresql_would_cut_is_refused(name: str) -> None:
    with pytest.raises(OpsError, match="cannot be the name"):
        decide(Request("shop", into=name), POINT, {}, NOW)


@pytest.mark.parametrize("database", ["shop", "x" * 63, "ü" * 31, 'We"ird', "a_before_20260101_000000"])
def test_the_name_from_before_fits_and_is_known_again(database: str) -> None:
    name = before_name(database, NOW)
    assert len(name.encode()) <= 63
    assert set_aside_at(database, name) == NOW
    assert set_aside_at("other", name) is None
    assert before_name("x" * 62 + "y", NOW) != before_name("x" * 63, NOW)


def test_only_names_of_ours_are_old_databases() -> None:
    names = ["shop", "shop_before_the_war", "shop_before_20261399_000000", "shop2_before_20260101_000000", ASIDE]
    assert kept("shop", names) == [ASIDE]


def test_old_databases_go_by_number_and_age() -> None:
    ages = [0, 1, 10, 40]
    names = [before_name("shop", NOW - timedelta(days=age)) for age in ages]
    assert expired("shop", names, Keep(), NOW) == []
    assert expired("shop", names, Keep(count=2), NOW) == names[2:]
    assert expired("shop", names, Keep(seconds=5 * 86400), NOW) == names[2:]
    assert expired("shop", names[3:], Keep(seconds=1), NOW) == []
    assert expired("shop", names, Keep(count=0), NOW) == names
    live = {"shop": Live(1), names[1]: Live(2)}
    plan = decide(Request("shop", keep=Keep(count=0)), POINT, live, NOW)
    assert (plan.set_aside, plan.remove) == (names[0], (names[1],))


def test_schemas_and_throw_away_names_tell_backups_apart() -> None:
    assert schema_name(POINT) == "restored_20261122_020000"
    prefixes = {name_prefix("drill", name) for name in ("shop", "shop-eu", "shop_eu", "SHOP.eu", "s" * 41, "s" * 40)}
    assert len(prefixes) == 6
    assert all(len(prefix) + 8 <= 63 for prefix in prefixes)
