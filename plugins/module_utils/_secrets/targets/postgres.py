# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: two login roles that take turns, or one role whose password changes.

The server never sees a password: it gets a SCRAM verifier made here, in a statement that its log leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..._core.errors import OpsError
from ..._core.masking import mask
from ..._health.options import port
from ..._health.resources import library
from ..credential import Credential
from ..generate import Policy, generate
from ..ports import RejectedError
from ..scram import verifier
from .postgres_roles import ensure_login, lock_login, lock_others, quiet

ALTERNATING = "alternating"
SINGLE = "single"
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 20
# libpq gives no SQLSTATE for a login that failed. These are the server's own words, in its message language; other
# languages are told apart by asking the catalogue.
_REFUSALS = ("password authentication failed", "is not permitted to log in", "no password assigned")
_UNSURE = ("too many connections", "too many clients", "remaining connection slots", "starting up", "shutting down",
           "recovery mode", "no pg_hba.conf entry", "pg_hba.conf rejects", "not currently accepting connections",
           "permission denied for database")  # fmt: skip


def open_postgres(options: Mapping[str, Any], policy: Policy, where: str) -> PostgresLogin:
    """The target of the options. Raises OpsError naming one that is missing or wrong."""
    user, strategy = options["username"], options["strategy"]
    if not user:
        raise OpsError(f"{where}.username: is required for type postgres (the role of the application)")
    pair = tuple(options["usernames"]) or (f"{user}_1", f"{user}_2")
    if len(set(pair)) != 2 or user in pair:
        raise OpsError(f"{where}.usernames: must be two different roles, neither of them {user}")
    if strategy == ALTERNATING and not (options["login_user"] or options["login_unix_socket"]):
        raise OpsError(f"{where}.login_user: is required for strategy alternating: somebody has to make the roles")
    if options["login_user"] in (user, *pair) and strategy == ALTERNATING:
        raise OpsError(f"{where}.login_user: must not be one of the roles that are rotated")
    if options["login_port"] is not None:
        port(options["login_port"], f"{where}.login_port")
    return PostgresLogin(options, policy, where, pair if strategy == ALTERNATING else (user,))


class PostgresLogin:
    """The logins of one application on one server."""

    announce_seconds: float | None = None

    def __init__(self, options: Mapping[str, Any], policy: Policy, where: str, logins: tuple[str, ...]) -> None:
        self._psycopg2 = library("psycopg2", "python3-psycopg2")
        self._options = options
        self._policy = policy
        self._where = where
        self._role: str = options["username"]
        self._logins = logins
        self.overlaps = len(logins) > 1

    def propose(self, current: Credential | None) -> Credential:
        used = None if current is None else self._login_of(current)
        login = next(name for name in self._logins if name != used or not self.overlaps)
        return Credential(generate(self._policy), {"username": login})

    def works(self, credential: Credential) -> bool:
        named = credential.attributes.get("username")
        return any(self._logs_in(name, credential.value) for name in ((named,) if named else self._known()))

    def set(self, candidate: Credential, current: Credential | None) -> None:
        login = candidate.attributes.get("username") or self.propose(current).attributes["username"]
        with self._changing(current, (candidate.value,)) as cursor:
            quiet(cursor)
            try:
                ensure_login(cursor, login, self._role, verifier(candidate.value), self._where)
            except self._psycopg2.Error as error:
                if error.pgcode == "22023" or (error.pgcode or "").startswith("28"):
                    words = self._words(error, (candidate.value,))
                    raise RejectedError(f"PostgreSQL {self._place} refuses the password: {words}") from None
                raise

    def revoke(self, retired: Credential, keep: Credential) -> None:
        if not self.overlaps:
            return
        kept = self._login_of(keep)
        if kept is None:
            raise OpsError(
                f"{self._where}: it is not known whose password stays; have the store keep the user name "
                "(store.attribute_keys, username)"
            )
        old = self._login_of(retired)
        with self._changing(keep, (retired.value, keep.value)) as cursor:
            quiet(cursor)
            if old is not None and old != kept:
                lock_login(cursor, old)
            lock_others(cursor, [name for name in self._logins if name not in (kept, old)])

    def close(self) -> None: ...

    @property
    def _place(self) -> str:
        options = self._options
        return options["login_unix_socket"] or f"{options['login_host'] or '127.0.0.1'}:{options['login_port'] or 5432}"

    def _known(self) -> tuple[str, ...]:
        return self._logins if self._role in self._logins else (*self._logins, self._role)

    def _login_of(self, credential: Credential) -> str | None:
        """Whose password it is: as the store says, otherwise whoever it lets in."""
        if not self.overlaps:
            return self._role
        named = credential.attributes.get("username")
        return named or next((name for name in self._known() if self._logs_in(name, credential.value)), None)

    def _logs_in(self, login: str, password: str) -> bool:
        try:
            connection = self._connect(login, password, self._options["login_database"])
        except self._psycopg2.OperationalError as error:
            words = self._words(error, (password,))
            if any(text in words for text in _REFUSALS):
                return False
            if "FATAL" in words and f'"{login}"' in words and not any(text in words for text in _UNSURE):
                return False
            raise OpsError(f"PostgreSQL {self._place} as {login}: {words}") from None
        try:
            asked = bool(connection.info.used_password)
        finally:
            connection.close()
        if not asked:
            raise OpsError(
                f"PostgreSQL {self._place} lets {login} in without asking for a password (trust or peer in "
                f"pg_hba.conf), so none can be tested; connect where it asks ({self._where}.login_host)"
            )
        return True

    @contextmanager
    def _changing(self, current: Credential | None, secrets: tuple[str, ...]) -> Iterator[Any]:
        """A cursor in a transaction of who may change roles; without login_user that is the role itself."""
        options = self._options
        user, password = options["login_user"], options["login_password"]
        if user is None and not options["login_unix_socket"]:
            if current is None:
                raise OpsError(f"{self._where}.login_user: is required to set the very first password")
            user, password = self._role, current.value
        try:
            connection = self._connect(user, password, options["login_database"] or "postgres")
        except self._psycopg2.OperationalError as error:
            words = self._words(error, (*secrets, password or ""))
            raise OpsError(f"{self._where}.login_user: PostgreSQL {self._place}: {words}") from None
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", (STATEMENT_SECONDS * 1000,))
                cursor.execute("SET LOCAL lock_timeout = %s", (STATEMENT_SECONDS * 500,))
                yield cursor
        except self._psycopg2.Error as error:
            raise OpsError(f"PostgreSQL {self._place}: {self._words(error, secrets)} ({self._where})") from None
        finally:
            connection.close()

    def _connect(self, user: str | None, password: str | None, database: str | None) -> Any:
        options = self._options
        settings = {
            "host": options["login_unix_socket"] or options["login_host"] or "127.0.0.1",
            "port": options["login_port"] or 5432,
            "dbname": database or "postgres",
            "user": user,
            "password": password,
            "sslmode": options["ssl_mode"],
            "sslrootcert": options["ca_cert"],
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "keelson-secrets",
        }
        return self._psycopg2.connect(**{name: value for name, value in settings.items() if value is not None})

    def _words(self, error: Exception, secrets: tuple[str, ...]) -> str:
        lines = (str(error).strip() or type(error).__name__).splitlines()
        return mask(" ".join(lines[0].split()), secrets)
