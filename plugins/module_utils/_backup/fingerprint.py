# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fingerprint of a database's content, cheap enough to take with each backup: SQL texts and their comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .manifest import Fingerprint, TableContent

FULL_HASH_BYTES = 32 * 1024 * 1024
SAMPLE_EVERY = 1009
SAMPLE_STEPS, SAMPLE_ROWS = 1000, 4
_INTEGERS = frozenset({"smallint", "integer", "bigint"})

# Row texts must not depend on the settings of a server, database or role.
SETTINGS = (
    "SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; "
    "SET extra_float_digits = 1; SET xmloption = 'content'; SET row_security = off; SET search_path = ''; "
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
)

_USER_NAMESPACE = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
_NOT_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
    "WHERE d.objid = {oid} AND d.classid = '{catalog}'::pg_catalog.regclass AND d.deptype = 'e')"
)

TABLES = f"""
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, pg_catalog.pg_table_size(c.oid), (
    SELECT coalesce(json_agg(json_build_array(a.attname, pg_catalog.format_type(a.atttypid, NULL)) ORDER BY a.attnum),
        '[]')
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary)) ORDER BY n.nspname, c.relname), '[]')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_USER_NAMESPACE}
AND (c.relpersistence = 'p' OR NOT pg_catalog.pg_is_in_recovery())
AND {_NOT_EXTENSION.format(oid="c.oid", catalog="pg_catalog.pg_class")}
"""  # noqa: S608

OBJECTS = f"""
SELECT json_object_agg(kind, number) FROM (
  SELECT 'relation ' || c.relkind::text AS kind, count(*) AS number
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE {_USER_NAMESPACE} AND {_NOT_EXTENSION.format(oid="c.oid", catalog="pg_catalog.pg_class")}
  AND c.relpersistence <> 't' GROUP BY 1
  UNION ALL SELECT 'constraint', count(*)
  FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
  WHERE {_USER_NAMESPACE} AND c.contype <> 'n'
  UNION ALL SELECT 'trigger', count(*) FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'function', count(*)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE {_USER_NAMESPACE} AND {_NOT_EXTENSION.format(oid="p.oid", catalog="pg_catalog.pg_proc")}
  UNION ALL SELECT 'large object', count(*) FROM pg_catalog.pg_largeobject_metadata
) AS kinds
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Table:
    """A user's table; ``key`` are its primary key's columns with their types."""

    schema: str
    name: str
    bytes: int
    key: tuple[tuple[str, str], ...]


def tables_of(rows: Sequence[Any]) -> list[Table]:
    """The tables from the answer to TABLES."""
    return [Table(schema, name, size, tuple((c, t) for c, t in key)) for schema, name, size, key in rows]


def method_for(table: Table) -> str:
    """Small tables are hashed whole; large ones by a sample of keys; large ones without a key are counted."""
    if table.bytes <= FULL_HASH_BYTES:
        return "full"
    return "sample" if table.key else "count"


def content_query(table: Table, method: str) -> str:
    """One row ``[rows, hash]`` over the table, independent of physical order."""
    place = f"ONLY {quote_identifier(table.schema)}.{quote_identifier(table.name)}"
    hashed = "coalesce(sum(pg_catalog.hashtextextended((keelson_row.*)::text, 0)), 0)::text"
    if method == "full":
        return f"SELECT json_build_array(count(*), {hashed}) FROM {place} AS keelson_row"  # noqa: S608
    # The count needs no columns, often no more than an index; hashing in the same scan costs several times as much.
    sample = _sample(table, place, hashed) if method == "sample" else "'0'"
    return f"SELECT json_build_array((SELECT count(*) FROM {place}), {sample})"  # noqa: S608


def _sample(table: Table, place: str, hashed: str) -> str:
    """Some rows by their keys: at even steps through an integer key's range by its index, else by a hash of the key."""
    columns = [f"keelson_row.{quote_identifier(column)}" for column, _unused in table.key]
    if len(columns) != 1 or table.key[0][1] not in _INTEGERS:
        chosen = f"pg_catalog.hashtextextended(ROW({', '.join(columns)})::text, 0) % {SAMPLE_EVERY} = 0"
        return f"(SELECT {hashed} FROM {place} AS keelson_row WHERE {chosen})"  # noqa: S608
    (key,) = columns
    low, high = f"min({key})::numeric AS low", f"max({key})::numeric AS high"
    # Qualified, for a column of the table may have any name.
    ends, step = "keelson_ends", "keelson_steps.step"
    start = f"({ends}.low + trunc(({ends}.high - {ends}.low) * {step} / {SAMPLE_STEPS}))::bigint"
    rows = f"SELECT * FROM {place} AS keelson_row WHERE {key} >= {start} ORDER BY {key} LIMIT {SAMPLE_ROWS}"  # noqa: S608
    return (
        f"(SELECT {hashed} FROM (SELECT {low}, {high} FROM {place} AS keelson_row) AS {ends}, "  # noqa: S608
        f"generate_series(0, {SAMPLE_STEPS}) AS keelson_steps(step), LATERAL ({rows}) AS keelson_row)"
    )


def quote_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


Query = Callable[[str], Any]


def take_fingerprint(query: Query, methods: Mapping[str, str] | None = None) -> Fingerprint:
    """Fingerprint what ``query`` sees. ``methods`` (by ``schema.table``) repeats the choices of an earlier one."""
    contents = []
    for table in tables_of(query(TABLES)):
        method = (methods or {}).get(f"{table.schema}.{table.name}") or method_for(table)
        method = "count" if method == "sample" and not table.key else method
        rows, digest = query(content_query(table, method))
        contents.append(TableContent(table.schema, table.name, rows, method, digest))
    return Fingerprint(tuple(contents), query(OBJECTS))


def methods_of(fingerprint: Fingerprint) -> dict[str, str]:
    return {content.name: content.method for content in fingerprint.tables}


def differences(expected: Fingerprint, found: Fingerprint) -> list[str]:
    """What a person has to know of two fingerprints that differ; empty when they are equal."""
    texts = []
    left = {content.name: content for content in expected.tables}
    right = {content.name: content for content in found.tables}
    for name in sorted(left.keys() | right.keys()):
        wanted, got = left.get(name), right.get(name)
        if wanted is None or got is None:
            texts.append(f"table {name}: {'not in the backup' if wanted is None else 'missing'}")
        elif wanted.rows != got.rows:
            texts.append(f"table {name}: {got.rows} rows, expected {wanted.rows}")
        elif wanted.hash != got.hash:
            texts.append(f"table {name}: {got.rows} rows with other content ({wanted.method} hash)")
    for kind in sorted(expected.objects.keys() | found.objects.keys()):
        wanted_number, number = expected.objects.get(kind, 0), found.objects.get(kind, 0)
        if wanted_number != number:
            texts.append(f"{kind}: {number}, expected {wanted_number}")
    return texts
