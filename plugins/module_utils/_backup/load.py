# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading a restore point into an empty database, and the proof that it is what was backed up."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .._core.command import Command
from .._core.errors import OpsError
from .archive import feed, open_unpacking
from .backup import Backup
from .client import ContainerPrograms, LocalPrograms, Programs, require_same_major
from .fingerprint import SETTINGS, differences, methods_of, take_fingerprint
from .manifest import Fingerprint, Manifest
from .properties import NO_PROPERTIES, apply_statements
from .server import (
    ServerFacts,
    ask,
    can_own,
    create_database,
    data_directory,
    open_session,
    restore_command,
    server_facts,
)
from .verify import Listed
from .work_place import Place, hide

# Indexes are built beside the data they are sorted from.
SPACE_FACTOR = 1.25
SPACE_RESERVE = 64 * 1024 * 1024
UNOWNED = ("--no-owner", "--no-acl")


class RestoredDiffersError(OpsError):
    """The restored database is not what was backed up; it has been removed."""


@dataclass(frozen=True, slots=True)
class Work:
    """One point on its way into one server; ``backup`` has that server as its source."""

    backup: Backup
    place: Place
    facts: ServerFacts
    listed: Listed

    @property
    def manifest(self) -> Manifest:
        return self.listed.need_manifest()

    @property
    def programs(self) -> Programs:
        return self.place.programs


def preflight(backup: Backup, place: Place, manifest: Manifest, needed: int | None = None) -> ServerFacts:
    """What must be so before anything is made; ``needed`` bytes, those of the whole database when None."""
    facts = server_facts(place.session)
    if facts.major < manifest.server_major:
        raise OpsError(
            f"the backup is of PostgreSQL {manifest.server_major}, this server is {facts.major}; "
            "restore into the same or a newer major version"
        )
    require_same_major(place.programs, "pg_restore", facts.major, place.maintenance, backup.runner)
    needed = int((manifest.database_bytes if needed is None else needed) * SPACE_FACTOR) + SPACE_RESERVE
    free = _free_space(backup, place.programs, data_directory(place.session))
    if free is not None and free < needed:
        raise OpsError(
            f"the restore needs about {needed / 1e6:.0f} MB on the server, {free / 1e6:.0f} MB are free",
            needed=needed,
            free=free,
        )
    return facts


def load(work: Work, into: str, *, spaces: Sequence[str] = (), owners: bool = True) -> list[str]:
    """Make the database ``into``, fill it and compare it; what it lacks for want of a right. ``spaces`` are
    tablespaces that are missing. Raises OpsError; RestoredDiffersError when it differs.
    """
    manifest, listed, reporter = work.manifest, work.listed, work.backup.reporter
    options, warnings = restore_options(work.facts, spaces, owners)
    make_database(work.place, manifest, into)
    reporter.step(f"restoring {listed.point.folder} from {listed.storage.location} into {into}")
    fill(work, into, options)
    reporter.step("comparing with the fingerprint of the backup")
    compare(work.programs, manifest.fingerprint, into, manifest.id)
    with open_session(work.programs, into) as session:
        session.text("ANALYZE")
    return warnings


def restore_options(facts: ServerFacts, spaces: Sequence[str], owners: bool) -> tuple[list[str], list[str]]:
    """Options of pg_restore, and what is lost by them."""
    options, warnings = [] if owners else list(UNOWNED), []
    if not facts.superuser:
        # Only a superuser can give objects to others and grant on them.
        options = list(UNOWNED)
        warnings.append("only a superuser can restore owners and rights; all objects belong to the user of this run")
    if spaces:
        options.append("--no-tablespaces")
        warnings.append(f"tablespaces that the server lacks: {', '.join(spaces)}; all is in the database's own")
    return options, warnings


def make_database(place: Place, manifest: Manifest, into: str) -> None:
    """An empty one like the original, for nobody else yet."""
    owner = manifest.owner if can_own(place.session, manifest.owner) else None
    create_database(place.session, into, manifest.locale, owner)
    hide(place.session, into)


def give_properties(place: Place, facts: ServerFacts, properties: Mapping[str, Any] | None, into: str) -> list[str]:
    """Let ``into`` have an owner, who may connect, settings and comment; what had to be left out."""
    properties = properties or NO_PROPERTIES
    roles = facts.roles if facts.superuser else frozenset()
    statements, skipped = apply_statements(into, properties, roles)
    place.session.text("BEGIN")
    for statement in statements:
        place.session.text(statement)
    place.session.text("COMMIT")
    return skipped


def fill(work: Work, into: str, options: Sequence[str]) -> None:
    """Stream the dump through its hash into pg_restore. Raises ArchiveDamagedError, OpsError."""
    dump, listed, reporter = work.manifest.dump, work.listed, work.backup.reporter
    with open_unpacking(work.backup.settings, work.manifest.encryption, work.backup.runner) as consumers:
        feed(
            listed.storage.read(listed.point.path(dump.name)),
            dump,
            [*consumers, restore_command(work.programs, into, work.facts.major, options)],
            lambda done: reporter.progress(done, dump.bytes),
            f"{listed.storage.location}/{listed.point.folder}",
        )


def compare(
    programs: Programs, expected: Fingerprint, into: str, what: str, *, only: Container[str] | None = None
) -> None:
    """Compare the content; with ``only``, that of these tables and nothing else. Raises RestoredDiffersError."""
    with open_session(programs, into) as session:
        session.text(SETTINGS)
        found = take_fingerprint(session.value, methods_of(expected))
    if only is not None:
        found = Fingerprint(tuple(table for table in found.tables if table.name in only), {})
    different = differences(expected, found)
    if different:
        shown = "; ".join(different[:10]) + ("; ..." if len(different) > 10 else "")
        raise RestoredDiffersError(
            f"the restored database differs from the backup {what}: {shown}", differences=different
        )


def require_assertion(backup: Backup, programs: Programs, into: str, sql: str) -> None:
    """Raises RestoredDiffersError when the user's question is not answered with true."""
    answer = ask(programs, into, sql, backup.runner)
    if answer != "t":
        raise RestoredDiffersError(f"assertion {sql!r} answered {answer!r} instead of true")


def _free_space(backup: Backup, programs: Programs, directory: str | None) -> int | None:
    """Free bytes where the server keeps its data; None when that is another machine or cannot be known."""
    if directory is None:
        return None
    if isinstance(programs, ContainerPrograms):
        argv = ("docker", "exec", "-u", programs.run_as, programs.container, "stat", "-f", "-c", "%a %S", directory)
        done = backup.runner.run(Command(argv), timeout=60, check=False)
        numbers = done.stdout.split()
        return int(numbers[0]) * int(numbers[1]) if done.rc == 0 and len(numbers) == 2 else None
    if isinstance(programs, LocalPrograms) and not backup.settings.source.login_host:
        with suppress(OSError):
            found = os.statvfs(directory)
            return found.f_bavail * found.f_frsize
    return None
