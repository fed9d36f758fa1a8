# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some tables of a point beside the live ones: restored into a throw-away database, then copied into a schema of
their own. Nothing that is in the live database is touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.command import CommandFailed
from .._core.errors import OpsError
from .archive import BLOCK, feed, open_unpacking, peek
from .client import Programs
from .fingerprint import SETTINGS, quote_identifier, quote_literal
from .load import UNOWNED, Work, compare, fill, make_database
from .manifest import Fingerprint, Manifest, TableContent
from .process_chain import ProcessChain
from .restore_plan import RestorePlan
from .roles import split_statements
from .server import open_session, print_command, restore_command, session_command, statement_command
from .session import Session

# The rows are there twice for a moment: in the throw-away database and in the live one.
COPIES = 2
_PRIMARY_KEY = re.compile(r"^ALTER TABLE (?:ONLY )?(\S+|.*?\".*?)\s+ADD CONSTRAINT .* PRIMARY KEY \(", re.DOTALL)

_COLUMNS = """
SELECT json_build_object(
  'columns', (SELECT json_agg(json_build_array(attname, pg_catalog.format_type(atttypid, atttypmod), attgenerated <> '')
    ORDER BY attnum)
    FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
  'key', (SELECT coalesce(json_agg(a.attname ORDER BY pg_catalog.array_position(i.indkey::int2[], a.attnum)), '[]')
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary))
FROM pg_catalog.pg_class c WHERE c.oid = {table}::pg_catalog.regclass
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """Columns with their types and whether they are generated, and the names of those in the primary key."""

    content: TableContent
    columns: tuple[tuple[str, str, bool], ...]
    key: tuple[str, ...]


def chosen_tables(manifest: Manifest, names: Sequence[str]) -> list[TableContent]:
    """What the point has of ``names``. Raises OpsError for others, and for two that would get the same name."""
    known = {table.name: table for table in manifest.fingerprint.tables}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise OpsError(
            f"point {manifest.id} has no table {', '.join(unknown)} (option tables, as schema.table; partitions have "
            f"names of their own); it has {', '.join(sorted(known)) or 'none'}"
        )
    chosen = [known[name] for name in dict.fromkeys(names)]
    if len({table.table for table in chosen}) != len(chosen):
        raise OpsError("two of the tables have the same name in different schemas; restore them one after the other")
    return chosen


def needed_bytes(manifest: Manifest, names: Sequence[str]) -> int:
    """About how much room the tables need, by their share of the rows. Raises OpsError as ``chosen_tables``."""
    rows = sum(table.rows for table in manifest.fingerprint.tables)
    share = sum(table.rows for table in chosen_tables(manifest, names)) / max(rows, 1)
    return int(manifest.database_bytes * share) * COPIES


def restore_tables(work: Work, names: Sequence[str], scratch: str, plan: RestorePlan) -> bool:
    """Copy tables of the point into ``plan.schema``, all or none; False when all of them are there. Raises OpsError."""
    manifest, programs, schema = work.manifest, work.programs, plan.schema or ""
    with open_session(programs, plan.target) as session:
        there = _tables_in(session, schema)
    chosen = [table for table in chosen_tables(manifest, names) if table.table not in there]
    if not chosen:
        return False
    make_database(work.place, manifest, scratch)
    point, reporter = work.listed.point, work.backup.reporter
    reporter.step(f"restoring {len(chosen)} tables of {point.folder} from {work.listed.storage.location}")
    keys = _definitions(work, scratch, chosen)
    wanted = [f"--schema={table.schema}" for table in chosen] + [f"--table={table.table}" for table in chosen]
    fill(work, scratch, [*UNOWNED, "--data-only", *dict.fromkeys(wanted)])
    with open_session(programs, scratch) as session:
        # With an empty search path all types are named in full.
        session.text(SETTINGS)
        for statement in keys:
            session.text(statement)
        compare(programs, Fingerprint(tuple(chosen), {}), scratch, manifest.id, only={t.name for t in chosen})
        shapes = [_shape(session, table) for table in chosen]
    reporter.step(f"copying {sum(table.rows for table in chosen)} rows into {plan.target}, schema {schema}")
    _copy(programs, manifest, shapes, scratch, plan)
    return True


def _tables_in(session: Session, schema: str) -> set[str]:
    found = session.value(
        "SELECT coalesce(json_agg(tablename), '[]') FROM pg_catalog.pg_tables "  # noqa: S608
        f"WHERE schemaname = {quote_literal(schema)}"
    )
    return set(found)


def _definitions(work: Work, scratch: str, chosen: Sequence[TableContent]) -> list[str]:
    """Make types, functions and empty tables in ``scratch``; the statements that make the primary keys afterwards.

    Both are in the beginning of the archive, so that little of it is read.
    """
    path, storage, major = work.listed.point.path(work.manifest.dump.name), work.listed.storage, work.facts.major
    before = restore_command(work.programs, scratch, major, [*UNOWNED, "--section=pre-data"])
    after = print_command(work.programs, scratch, major, ["--section=post-data"])
    with open_unpacking(work.backup.settings, work.manifest.encryption, work.backup.runner) as unpacking:
        try:
            peek(storage.read(path), [*unpacking, before])
            text = peek(storage.read(path), [*unpacking, after]).decode(errors="replace")
        except CommandFailed:
            # Damage, where there is some, explains more than what a program made of it.
            feed(storage.read(path), work.manifest.dump, [], lambda _done: None, f"{storage.location}/{path}")
            raise
    names = {f"{_sql_name(table.schema)}.{_sql_name(table.table)}" for table in chosen}
    names |= {quoted(table) for table in chosen}
    statements = split_statements(text)
    return [s for s in statements if (found := _PRIMARY_KEY.match(s)) and found[1] in names]


def _sql_name(name: str) -> str:
    """As pg_dump writes it, apart from names that are reserved words, which it quotes too."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quote_identifier(name)


def quoted(table: TableContent) -> str:
    return f"{quote_identifier(table.schema)}.{quote_identifier(table.table)}"


def _shape(session: Session, table: TableContent) -> Shape:
    found = session.value(_COLUMNS.format(table=quote_literal(quoted(table))))
    columns = tuple((name, kind, generated) for name, kind, generated in found["columns"])
    return Shape(table, columns, tuple(found["key"]))


def _copy(programs: Programs, manifest: Manifest, shapes: Sequence[Shape], scratch: str, plan: RestorePlan) -> None:
    """One transaction in the live database. Whatever ends early, psql's input ends and PostgreSQL takes it back."""
    schema = plan.schema or ""
    encoding = f"SET client_encoding = {quote_literal(manifest.locale.get('encoding') or 'UTF8')}"
    live = ProcessChain([session_command(programs, plan.target)], feed=True, collect=False)
    try:
        about = quote_literal(f"keelson: tables of restore point {manifest.id} of {manifest.database}")
        name = quote_identifier(schema)
        _say(live, f"{SETTINGS} {encoding}; BEGIN; CREATE SCHEMA IF NOT EXISTS {name};")
        _say(live, f"COMMENT ON SCHEMA {name} IS {about};")
        for shape in shapes:
            _say(live, create_table(shape, schema))
            _say(live, f"COPY {name}.{quote_identifier(shape.content.table)} FROM stdin;")
            source = f"COPY {_selected(shape)} TO STDOUT"
            _pump(ProcessChain([statement_command(programs, scratch, [SETTINGS, encoding, source])]), live)
            _say(live, "\\.")
            _say(live, finish_table(shape, schema))
        _say(live, "COMMIT;")
        live.stdin.close()
        live.finish()
    except OSError:
        live.finish()
        raise OpsError(f"the tables could not be copied into {plan.target}: the connection ended") from None
    finally:
        live.stop()


def _selected(shape: Shape) -> str:
    # A generated column can only be read by a query.
    columns = ", ".join(quote_identifier(name) for name, _kind, _generated in shape.columns)
    if any(generated for _name, _kind, generated in shape.columns):
        return f"(SELECT {columns} FROM ONLY {quoted(shape.content)})"  # noqa: S608
    return f"{quoted(shape.content)} ({columns})"


def create_table(shape: Shape, schema: str) -> str:
    """Plain columns: no default, constraint or trigger that could reach what is live."""
    name = f"{quote_identifier(schema)}.{quote_identifier(shape.content.table)}"
    return f"CREATE TABLE {name} ({', '.join(f'{quote_identifier(n)} {kind}' for n, kind, _unused in shape.columns)});"


def finish_table(shape: Shape, schema: str) -> str:
    """The primary key, which comparing by it needs, and the proof that every row has come."""
    name = f"{quote_identifier(schema)}.{quote_identifier(shape.content.table)}"
    text = f"{name}: rows are missing"
    check = (
        f"IF (SELECT count(*) FROM {name}) <> {shape.content.rows} THEN RAISE EXCEPTION {quote_literal(text)}; END IF;"  # noqa: S608
    )
    body = f"BEGIN {check} END"
    key = f"ALTER TABLE {name} ADD PRIMARY KEY ({', '.join(map(quote_identifier, shape.key))});" if shape.key else ""
    return f"{key} DO {quote_literal(body)};"


def _say(live: ProcessChain, text: str) -> None:
    live.stdin.write(f"{text}\n".encode())


def _pump(source: ProcessChain, live: ProcessChain) -> None:
    try:
        while block := source.stdout.read(BLOCK):
            live.stdin.write(block)
        source.finish()
    finally:
        source.stop()
