# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases under way: named so that a later run knows what a killed one left, and removed by it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from .._core.errors import OpsError
from .._core.lock import POLL_SECONDS, LockHeld
from .backup import Backup
from .client import Programs
from .fingerprint import quote_identifier, quote_literal
from .server import databases, drop_database, open_session
from .session import Session

_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A server that work of one ``kind`` goes on: its session holds a lock there as long as it is open.

    ``maintenance`` is the database to connect to that the work is not about.
    """

    programs: Programs
    session: Session
    maintenance: str
    prefix: str
    removed: tuple[str, ...] = ()

    def new_name(self) -> str:
        return f"{self.prefix}{secrets.token_hex(4)}"


def name_prefix(kind: str, name: str) -> str:
    """What the names of throw-away databases of a backup's ``kind`` of work begin with; 8 hexadecimal digits follow."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"keelson_{kind}_{_SLUG.sub('_', name.lower())[:24]}_{digest}_"


@contextmanager
def work_place(backup: Backup, programs: Programs, kind: str, about: str, *, clean: bool = True) -> Iterator[Place]:
    """Lock the server for this ``kind`` of work and remove what a killed run left. Raises LockHeld, OpsError."""
    maintenance = "template1" if about == "postgres" else "postgres"
    prefix = name_prefix(kind, backup.settings.name)
    with open_session(programs, maintenance) as session:
        session.text(
            "SET statement_timeout = 0; SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings "
            "WHERE name = 'idle_session_timeout'"
        )
        if clean:
            _lock(backup, session, kind, prefix)
        removed = left_overs(session, prefix) if clean else []
        for name in removed:
            backup.reporter.step(f"removing {name}, which an interrupted run left")
            drop_database(session, name)
        yield Place(programs, session, maintenance, prefix, tuple(removed))


def _lock(backup: Backup, session: Session, kind: str, prefix: str) -> None:
    """Another host may work for the same backup on this server; the kernel's lock of this one does not see it."""
    deadline = backup.clock.monotonic() + backup.settings.lock_timeout
    keys = f"pg_catalog.hashtext('keelson'), pg_catalog.hashtext({quote_literal(prefix)})"
    while not session.value(f"SELECT to_json(pg_catalog.pg_try_advisory_lock({keys}))"):
        if backup.clock.monotonic() >= deadline:
            raise LockHeld(f"another {kind} of {backup.settings.name} is active on the server (option lock_timeout)")
        backup.clock.sleep(POLL_SECONDS)


def left_overs(session: Session, prefix: str) -> list[str]:
    """Throw-away databases on the server. Under the lock nobody works in them."""
    pattern = re.compile(re.escape(prefix) + r"[0-9a-f]{8}")
    return [name for name in databases(session) if pattern.fullmatch(name)]


@contextmanager
def throw_away(place: Place) -> Iterator[str]:
    """A name for a database that is dropped at the end, unless it was renamed before."""
    name = place.new_name()
    try:
        yield name
    finally:
        with suppress(OpsError), open_session(place.programs, place.maintenance) as session:
            drop_database(session, name)


def hide(session: Session, name: str) -> None:
    """Keep a database under way from everybody but its owner and superusers."""
    session.text(f"REVOKE ALL ON DATABASE {quote_identifier(name)} FROM PUBLIC")
