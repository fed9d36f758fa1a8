# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting one database in another's place: two renames in one transaction, while nobody can connect."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from .._core.clock import Clock
from .._core.command import CommandFailed
from .._core.errors import OpsError
from .fingerprint import quote_identifier, quote_literal
from .server import open_session
from .session import Session
from .work_place import Place

# A rename waits this long for the sessions of its database to end, by PostgreSQL's own rule.
LOCK_TIMEOUT = "5s"
PAUSE_SECONDS = 0.02


def exchange(place: Place, clock: Clock, renames: Sequence[tuple[str, str]]) -> float:
    """Rename databases, all or none; the seconds in which nobody could connect. Raises OpsError.

    The first rename locks its database: who connects has to wait and who is connected is sent away. Whatever dies
    meanwhile, PostgreSQL takes the transaction back and the database is what it was.
    """
    names = [old for old, _new in renames]
    with (
        open_session(place.programs, place.maintenance) as renaming,
        open_session(place.programs, place.maintenance) as ending,
    ):
        refuse_prepared(ending, names)
        renaming.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'; SET idle_in_transaction_session_timeout = '10s'; BEGIN")
        begun = clock.monotonic()
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="keelson-swap") as pool:
                done = pool.submit(_rename, renaming, renames)
                try:
                    while not done.done():
                        _end_sessions(ending, names)
                        wait([done], timeout=PAUSE_SECONDS)
                except BaseException:
                    renaming.stop()
                    raise
                done.result()
            renaming.text("COMMIT")
        except CommandFailed as error:
            raise OpsError(
                f"{' and '.join(names)} cannot be renamed and are as before: {error.facts['stderr'] or error.message}"
            ) from None
        return clock.monotonic() - begun


def _rename(session: Session, renames: Sequence[tuple[str, str]]) -> None:
    for old, new in renames:
        session.text(f"ALTER DATABASE {quote_identifier(old)} RENAME TO {quote_identifier(new)}")


def _end_sessions(session: Session, names: Sequence[str]) -> None:
    session.text(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity "  # noqa: S608
        f"WHERE datname IN ({_list(names)}) AND pid <> pg_catalog.pg_backend_pid() "
        "AND backend_type <> 'autovacuum worker'"
    )


def refuse_prepared(session: Session, names: Sequence[str]) -> None:
    """A rename would wait for them in vain. Raises OpsError that names them."""
    found = session.value(
        f"SELECT json_agg(gid) FROM pg_catalog.pg_prepared_xacts WHERE database IN ({_list(names)})"  # noqa: S608
    )
    if found:
        raise OpsError(f"prepared transactions hold the database: {', '.join(found)}; commit or roll them back first")


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote_literal(name) for name in names)
