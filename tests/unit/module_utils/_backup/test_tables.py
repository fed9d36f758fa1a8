# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables beside the live ones: which are chosen, and that nothing about them can reach what is live."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.drill import Targets
from ansible_collections.keelson.ops.plugins.module_utils._backup.manifest import Fingerprint, TableContent
from ansible_collections.keelson.ops.plugins.module_utils._backup.tables import (
    Shape,
    chosen_tables,
    create_table,
    finish_table,
    needed_bytes,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from tests.unit.module_utils._backup import example

ORDERS = TableContent("public", "orders", 900, "full", "1")
OTHERS = TableContent("archive", "orders", 100, "full", "1")
ODD = TableContent("public", 'od"d', 0, "full", "0")
MANIFEST = replace(example.MANIFEST, fingerprint=Fingerprint((ORDERS, OTHERS, ODD), {}), database_bytes=10_000)


def test_tables_are_named_with_their_schema_and_once() -> None:
    assert chosen_tables(MANIFEST, ["public.orders", 'public.od"d', "public.orders"]) == [ORDERS, ODD]
    with pytest.raises(OpsError, match=r"no table orders .*it has archive\.orders, public\.od"):
        chosen_tables(MANIFEST, ["orders"])
    with pytest.raises(OpsError, match="same name in different schemas"):
        chosen_tables(MANIFEST, ["public.orders", "archive.orders"])


def test_the_room_is_by_their_share_of_the_rows_for_two_copies() -> None:
    assert needed_bytes(MANIFEST, ["archive.orders"]) == 2_000
    assert needed_bytes(replace(MANIFEST, fingerprint=Fingerprint((ODD,), {})), ['public.od"d']) == 0


def test_a_copy_has_plain_columns_its_key_and_all_its_rows() -> None:
    shape = Shape(OTHERS, (("id", "bigint", False), ('we"ird', 'public."State"', True)), ("id",))
    assert create_table(shape, "restored_1") == (
        'CREATE TABLE "restored_1"."orders" ("id" bigint, "we""ird" public."State");'
    )
    finish = finish_table(shape, "restored_1")
    assert finish.startswith('ALTER TABLE "restored_1"."orders" ADD PRIMARY KEY ("id");')
    assert "<> 100 THEN RAISE EXCEPTION" in finish
    assert "PRIMARY KEY" not in finish_table(replace(shape, key=()), "restored_1")


@pytest.mark.parametrize(("seconds", "age", "missed"), [(60, 60, 0), (61, 60, 1), (60, 61, 1), (61, 61, 2)])
def test_targets_are_kept_up_to_the_second(seconds: float, age: float, missed: int) -> None:
    assert len(Targets(60, 60).missed(seconds, age)) == missed
