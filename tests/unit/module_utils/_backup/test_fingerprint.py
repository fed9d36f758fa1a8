# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints: which method, which SQL, which differences are told."""

from __future__ import annotations

from ansible_collections.keelson.ops.plugins.module_utils._backup.fingerprint import (
    FULL_HASH_BYTES,
    OBJECTS,
    TABLES,
    Table,
    content_query,
    differences,
    method_for,
    take_fingerprint,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.manifest import Fingerprint, TableContent

LARGE = FULL_HASH_BYTES + 1


def table(size: int = 0, key: tuple[tuple[str, str], ...] = (("id", "bigint"),)) -> Table:
    return Table("public", 'we"ird', size, key)


def test_the_larger_a_table_the_cheaper_its_method() -> None:
    assert method_for(table()) == "full"
    assert method_for(table(LARGE)) == "sample"
    assert method_for(table(LARGE, key=())) == "count"


def test_names_are_quoted() -> None:
    assert 'FROM ONLY "public"."we""ird"' in content_query(table(), "full")


def test_an_integer_key_is_sampled_without_hashing_it() -> None:
    assert 'ORDER BY keelson_row."id" LIMIT 4' in content_query(table(LARGE), "sample")
    assert "ROW(" in content_query(table(LARGE, (("id", "uuid"),)), "sample")
    assert "ROW(" in content_query(table(LARGE, (("a", "bigint"), ("b", "bigint"))), "sample")


def answers(rows: int, size: int = 10, key: list[list[str]] | None = None) -> dict[str, object]:
    return {TABLES: [["public", "orders", size, key or []]], OBJECTS: {"relation r": 1}, "": [rows, "77"]}


def test_a_fingerprint_is_taken_with_the_methods_of_an_earlier_one() -> None:
    asked: list[str] = []

    def query(sql: str) -> object:
        asked.append(sql)
        return answers(5).get(sql, [5, "77"])

    found = take_fingerprint(query, {"public.orders": "count"})
    assert found == Fingerprint((TableContent("public", "orders", 5, "count", "77"),), {"relation r": 1})
    assert "hashtextextended" not in asked[1]


def prints(rows: int = 5, digest: str = "77", **objects: int) -> Fingerprint:
    return Fingerprint((TableContent("public", "orders", rows, "full", digest),), objects)


def test_equal_fingerprints_have_no_differences() -> None:
    assert differences(prints(index=2), prints(index=2)) == []


def test_differences_say_where_and_how_much() -> None:
    empty = Fingerprint((), {})
    assert differences(prints(), prints(rows=4)) == ["table public.orders: 4 rows, expected 5"]
    assert differences(prints(), prints(digest="8")) == ["table public.orders: 5 rows with other content (full hash)"]
    assert differences(prints(), empty) == ["table public.orders: missing"]
    assert differences(empty, prints()) == ["table public.orders: not in the backup"]
    assert differences(prints(index=2), prints()) == ["index: 0, expected 2"]
