# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks of a PostgreSQL server, and the commands that dump and restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .client import Programs, connection_string
from .fingerprint import SETTINGS, quote_identifier, quote_literal
from .properties import PROPERTIES
from .session import Session

OLDEST_MAJOR = 13
# Machine-readable output, and none of the user's own settings.
_PSQL = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password")
_STOP = "--set=ON_ERROR_STOP=1"
# Counting runs beside the dump and is over before it: more workers and compiled queries would only cost more.
MODEST = "SET jit = off; SET max_parallel_workers_per_gather = 0;"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database as a transaction sees it; other sessions can see the same by ``name`` while it is open."""

    name: str
    server_version: str
    wal_position: str
    database_bytes: int
    extensions: Mapping[str, str]
    locale: Mapping[str, str | None]
    owner: str
    superuser: bool
    properties: Mapping[str, Any]

    @property
    def major(self) -> int:
        return int(self.server_version.split(".", maxsplit=1)[0])


def open_session(programs: Programs, database: str) -> Session:
    """A psql session with machine-readable output and none of the user's own settings."""
    return Session(session_command(programs, database))


def session_command(programs: Programs, database: str) -> Command:
    """psql that runs what it reads and ends at the first error."""
    return programs.command("psql", *_PSQL, _STOP, database=database)


def take_snapshot(session: Session) -> Snapshot:
    """Open a read-only transaction in ``session`` and describe what it sees. Raises OpsError for too old a server."""
    number = int(session.text(f"{SETTINGS} {MODEST} SHOW server_version_num").strip())
    major = number // 10000
    if major < OLDEST_MAJOR:
        raise OpsError(f"the server is PostgreSQL {number / 10000:.0f}, {OLDEST_MAJOR} or newer is supported")
    session.text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    facts = session.value(_facts_query(major))
    return Snapshot(server_version=f"{major}.{number % 10000}", **facts)


def _facts_query(major: int) -> str:
    locale = {"encoding": "pg_catalog.pg_encoding_to_char(encoding)", "collate": "datcollate", "ctype": "datctype"}
    if major >= 15:
        locale["provider"] = "datlocprovider"
        locale["provider_locale"] = "datlocale" if major >= 17 else "daticulocale"
    pairs = ", ".join(f"'{key}', {column}" for key, column in locale.items())
    return f"""
    SELECT json_build_object(
      'name', pg_catalog.pg_export_snapshot(),
      'wal_position', CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                      ELSE pg_catalog.pg_current_wal_lsn() END,
      'database_bytes', pg_catalog.pg_database_size(oid),
      'extensions', (SELECT coalesce(json_object_agg(extname, extversion), '{{}}') FROM pg_catalog.pg_extension),
      'locale', json_build_object({pairs}),
      'owner', pg_catalog.pg_get_userbyid(datdba),
      'properties', {PROPERTIES},
      'superuser', (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user))
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    """  # noqa: S608


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a restore must know of a server. ``system`` identifies its cluster; ``databases`` are oids by name."""

    major: int
    system: str
    superuser: bool
    roles: frozenset[str]
    tablespaces: frozenset[str]
    databases: Mapping[str, int]


def server_facts(session: Session) -> ServerFacts:
    """Raises OpsError."""
    found = session.value("""
    SELECT json_build_object(
      'number', pg_catalog.current_setting('server_version_num')::int,
      'system', (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
      'superuser', (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
      'roles', (SELECT json_agg(rolname) FROM pg_catalog.pg_roles),
      'tablespaces', (SELECT json_agg(spcname) FROM pg_catalog.pg_tablespace),
      'databases', (SELECT json_object_agg(datname, oid::text::bigint) FROM pg_catalog.pg_database))
    """)
    return ServerFacts(
        major=found["number"] // 10000,
        system=found["system"],
        superuser=found["superuser"],
        roles=frozenset(found["roles"]),
        tablespaces=frozenset(found["tablespaces"]),
        databases=found["databases"],
    )


def database_properties(session: Session, name: str) -> dict[str, Any]:
    """Owner, rights, settings, limit and comment of a database that is there."""
    found = session.value(f"SELECT {PROPERTIES} FROM pg_catalog.pg_database WHERE datname = {quote_literal(name)}")  # noqa: S608
    return dict(found)


def end_other_sessions(session: Session, application: str) -> int:
    """End what a killed run of ours left on the server, so that its snapshot no longer holds back vacuum."""
    found = session.value(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity "  # noqa: S608
        f"WHERE application_name = {quote_literal(application)} AND pid <> pg_catalog.pg_backend_pid() "
        "AND usename = current_user"
    )
    return int(found)


def dump_command(
    programs: Programs, database: str, snapshot: Snapshot, lock_wait: float, level: int | None = None
) -> Command:
    """An archive on standard output; uncompressed, or with zstd's ``level`` by pg_dump itself (16 and newer)."""
    options = (
        "--format=custom",
        "--compress=0" if level is None else f"--compress=zstd:{level}",
        f"--snapshot={snapshot.name}",
        f"--lock-wait-timeout={int(lock_wait * 1000)}",
        "--no-password",
    )
    return programs.command("pg_dump", *options, database=database, major=snapshot.major)


def globals_command(programs: Programs, database: str, snapshot: Snapshot) -> Command:
    """Roles and tablespaces as SQL; their passwords too where this user may read them."""
    options = ["--globals-only", "--no-password", f"--database={database}"]
    if not snapshot.superuser:
        options.append("--no-role-passwords")
    return programs.command("pg_dumpall", *options, database=database, major=snapshot.major)


def restore_command(programs: Programs, database: str, major: int, options: Sequence[str] = ()) -> Command:
    """Restores an archive from standard input; the first error ends it."""
    fixed = ("--exit-on-error", "--no-password", f"--dbname={connection_string(database)}")
    return programs.command("pg_restore", *fixed, *options, database=database, major=major)


def print_command(programs: Programs, database: str, major: int, options: Sequence[str]) -> Command:
    """Prints what an archive on standard input holds as SQL, without any connection."""
    return programs.command("pg_restore", "--file=-", *options, database=database, major=major)


def statement_command(programs: Programs, database: str, statements: Sequence[str]) -> Command:
    """Runs statements one after the other; the output of the last may be large."""
    commands = [f"--command={statement}" for statement in statements]
    return programs.command("psql", *_PSQL, _STOP, *commands, database=database)


def read_command(programs: Programs, database: str, major: int) -> Command:
    """Reads an archive from standard input to its end and writes nothing: ``--list`` accepts half of one."""
    return programs.command("pg_restore", "--file=/dev/null", database=database, major=major)


def create_database(session: Session, name: str, locale: Mapping[str, str | None], owner: str | None) -> None:
    """Make an empty database like the one that was dumped. Raises CommandFailed."""
    session.text(create_statement(name, locale, owner))


def create_statement(name: str, locale: Mapping[str, str | None], owner: str | None) -> str:
    """CREATE DATABASE with the encoding and locale of the manifest."""
    words = ["TEMPLATE template0"]
    words += [f"ENCODING {quote_literal(locale['encoding'] or 'UTF8')}"]
    words += [
        f"LC_COLLATE {quote_literal(locale['collate'] or 'C')}",
        f"LC_CTYPE {quote_literal(locale['ctype'] or 'C')}",
    ]
    provider, provider_locale = locale.get("provider"), locale.get("provider_locale")
    if provider == "i" and provider_locale:
        words += ["LOCALE_PROVIDER icu", f"ICU_LOCALE {quote_literal(provider_locale)}"]
    elif provider == "b" and provider_locale:
        words += ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {quote_literal(provider_locale)}"]
    if owner:
        words.append(f"OWNER {quote_identifier(owner)}")
    return f"CREATE DATABASE {quote_identifier(name)} WITH {' '.join(words)}"


def drop_database(session: Session, name: str) -> None:
    """Remove a database of ours, ending sessions in it."""
    session.text(f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)")


def databases(session: Session) -> list[str]:
    return list(session.value("SELECT json_agg(datname) FROM pg_catalog.pg_database"))


def can_own(session: Session, role: str) -> bool:
    """Whether this user may make objects of ``role``."""
    return bool(
        session.value(
            "SELECT coalesce((SELECT to_json(pg_catalog.pg_has_role(oid, 'member')) FROM pg_catalog.pg_roles "  # noqa: S608
            f"WHERE rolname = {quote_literal(role)}), 'false')"
        )
    )


def ask(programs: Programs, database: str, sql: str, runner: Runner) -> str:
    """The answer to a user's own statement, which must not reach psql's own commands as a session's input would."""
    command = programs.command("psql", *_PSQL, f"--command={sql}", database=database)
    return runner.run(command, timeout=3600).stdout.strip()


def data_directory(session: Session) -> str | None:
    """None when this user may not know."""
    answer: Any = session.value(
        "SELECT to_json(CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'member') "
        "THEN pg_catalog.current_setting('data_directory', true) END)"
    )
    return answer if isinstance(answer, str) else None
