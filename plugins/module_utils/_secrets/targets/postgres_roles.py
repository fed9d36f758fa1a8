# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements about login roles. Each runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._core.errors import OpsError

# What would write a statement of ours to the log, or keep its text.
_QUIET = (
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("log_min_duration_sample", "-1"),
    ("log_min_error_statement", "panic"),
    ("log_duration", "off"),
    ("pg_stat_statements.track_utility", "off"),
    ("pgaudit.log", "none"),
)


def quiet(cursor: Any) -> None:
    """Keep this transaction out of the log. Only a superuser may; otherwise it may show verifiers, but no password."""
    cursor.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
    if not cursor.fetchone()[0]:
        return
    cursor.execute("SELECT name FROM pg_catalog.pg_settings WHERE name = ANY(%s)", (list(dict(_QUIET)),))
    known = {name for (name,) in cursor.fetchall()}
    for name, value in _QUIET:
        if name in known:
            cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))


def ensure_login(cursor: Any, login: str, role: str, stored: str, where: str) -> None:
    """Let ``login`` in with the password of verifier ``stored``; all its sessions act as ``role``.

    Raises OpsError when ``role`` does not exist or ``login`` is a role of somebody else, which is then left alone.
    """
    exists, member, powerful, allowed = _facts(cursor, login, role)
    if powerful and login != role:
        raise OpsError(f"{where}.usernames: {login} is a superuser or may replicate; such roles are not rotated")
    if exists and not member:
        raise OpsError(f"{where}.usernames: {login} exists and is no member of {role}; it may belong to somebody else")
    if not exists:
        cursor.execute(_statement(cursor, "CREATE ROLE {} NOLOGIN", login))
    if not member:
        cursor.execute(_statement(cursor, "GRANT {} TO {}", role, login))
    if login != role:
        # Tables that it makes belong to the role, so that whoever comes next can use them.
        cursor.execute(_statement(cursor, "ALTER ROLE {} SET role = %s", login), (role,))
    # A role may change its own password, but not its right to log in.
    if not allowed:
        cursor.execute(_statement(cursor, "ALTER ROLE {} LOGIN", login))
    cursor.execute(_statement(cursor, "ALTER ROLE {} PASSWORD %s", login), (stored,))


def lock_login(cursor: Any, login: str) -> None:
    """Let ``login`` in no more, and end its sessions where this user may."""
    cursor.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (login,))
    if cursor.fetchone() is None:
        return
    cursor.execute(_statement(cursor, "ALTER ROLE {} NOLOGIN PASSWORD NULL", login))
    cursor.execute(
        "SELECT rolsuper OR pg_catalog.pg_has_role(current_user, 'pg_signal_backend', 'usage') "
        "FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )
    if cursor.fetchone()[0]:
        cursor.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = %s", (login,)
        )


def lock_others(cursor: Any, logins: Sequence[str]) -> None:
    """Lock those of ``logins`` that could log in, which no living rotation needs."""
    cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s) AND rolcanlogin", (list(logins),))
    for (login,) in cursor.fetchall():
        lock_login(cursor, login)


def _facts(cursor: Any, login: str, role: str) -> tuple[bool, bool, bool, bool]:
    """Whether ``login`` exists, is (a member of) ``role``, is too powerful to be touched, and may log in."""
    cursor.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", (role,))
    if cursor.fetchone() is None:
        raise OpsError(f"the role {role} does not exist (target.username); make it, and the owner of the database")
    cursor.execute(
        "SELECT pg_catalog.pg_has_role(oid, %s, 'member'), rolsuper OR rolreplication, rolcanlogin "
        "FROM pg_catalog.pg_roles WHERE rolname = %s",
        (role, login),
    )
    found = cursor.fetchone()
    if found is None:
        return (False, False, False, False)
    member, powerful, allowed = found
    return (True, member, powerful, allowed)


def _statement(cursor: Any, text: str, *names: str) -> Any:
    from psycopg2 import sql  # noqa: PLC0415 - whoever has a cursor has the library

    return sql.SQL(text).format(*map(sql.Identifier, names))
