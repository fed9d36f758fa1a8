# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: a query is answered, and the server is the primary or a standby as expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

from ..options import Declarations, port
from ..outcome import UnhealthyError
from ..resources import Resources, library
from ..spec import Probe
from ..threads import Serial

OPTIONS: Declarations = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 5432},
    "database": {"type": "str", "default": "postgres"},
    "username": {"type": "str", "default": "postgres"},
    "password": {"type": "str", "no_log": True},
    "sslmode": {
        "type": "str",
        "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        "default": "prefer",
    },
    "ca_file": {"type": "path"},
    "query": {"type": "str", "default": "SELECT 1"},
    "value": {"type": "str"},
    "role": {"type": "str", "choices": ["any", "primary", "standby"], "default": "any"},
}


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A database and a query in it; ``value`` is what the first column of its first row must read."""

    kind: ClassVar[str] = "postgres"

    host: str
    port: int = 5432
    database: str = "postgres"
    username: str = "postgres"
    password: str | None = field(default=None, repr=False)
    sslmode: str = "prefer"
    ca_file: str | None = None
    query: str = "SELECT 1"
    value: str | None = None
    role: str = "any"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password or "",)

    def __str__(self) -> str:
        return f"{self.username}@{self.host}:{self.port}/{self.database}"


def parse(options: Mapping[str, Any], where: str) -> PostgresTarget:
    """The target that ``options`` describe. Raises OpsError."""
    port(options["port"], f"{where}.port")
    return PostgresTarget(**options)


def judge(row: tuple[Any, ...] | None, in_recovery: bool, target: PostgresTarget) -> str:
    """What the answers mean, in words. Raises UnhealthyError."""
    role = "standby" if in_recovery else "primary"
    if target.role not in ("any", role):
        raise UnhealthyError(f"is a {role}, expected a {target.role}")
    if target.value is not None:
        found = "no row" if row is None else _text(row[0])
        if found != target.value:
            raise UnhealthyError(f"the query gives {found[:100]!r}, expected {target.value!r}")
    return f"query answered by a {role}"


def make_probe(target: PostgresTarget, resources: Resources) -> Probe:
    """The probe of ``target``. Raises MissingLibraryError without psycopg2."""
    psycopg2 = library("psycopg2", "python3-psycopg2")
    serial = Serial(resources.threads)

    async def attempt(limit: float) -> str:
        return await serial.run(lambda: _ask(psycopg2, target, limit))

    return attempt


def _ask(psycopg2: ModuleType, target: PostgresTarget, limit: float) -> str:
    try:
        connection = psycopg2.connect(**_settings(target, limit))
    except psycopg2.Error as error:
        words = _first_line(error)
        raise UnhealthyError(words, answered="FATAL:" in words) from None
    try:
        # One read-only transaction that is rolled back, with settings local to it: nothing is left behind in a
        # connection pooler's session.
        connection.set_session(readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", (int(limit * 1000) or 1,))
            cursor.execute("SELECT pg_is_in_recovery()")
            in_recovery = bool(cursor.fetchone()[0])
            cursor.execute(target.query)
            row = cursor.fetchone() if cursor.description else None
        connection.rollback()
    except psycopg2.Error as error:
        raise UnhealthyError(_first_line(error)) from None
    finally:
        connection.close()
    return judge(row, in_recovery, target)


def _settings(target: PostgresTarget, limit: float) -> dict[str, object]:
    settings: dict[str, object] = {
        "host": target.host,
        "port": target.port,
        "dbname": target.database,
        "user": target.username,
        "password": target.password,
        "sslmode": target.sslmode,
        "sslrootcert": target.ca_file,
        "connect_timeout": max(2, int(limit)),  # libpq takes no less
        "application_name": "keelson-health",
    }
    return {name: value for name, value in settings.items() if value is not None}


def _first_line(error: Exception) -> str:
    return " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
