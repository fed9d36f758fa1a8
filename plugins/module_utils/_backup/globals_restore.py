# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating the roles that a restored database needs and the server lacks."""

from __future__ import annotations

from dataclasses import replace

from .._core.command import CommandFailed
from .._core.errors import OpsError
from .archive import open_unpacking, unpack
from .backup import Backup
from .roles import Globals, missing_roles
from .server import ServerFacts, session_command
from .session import Session
from .verify import Listed
from .work_place import Place

# The server's log must not hold what statements say about passwords.
_NOT_LOGGED = (
    "SET LOCAL log_statement = 'none'; SET LOCAL log_min_duration_statement = -1; "
    "SET LOCAL log_min_error_statement = 'panic'; SET LOCAL log_parameter_max_length = 0"
)


def read_globals(backup: Backup, listed: Listed, facts: ServerFacts) -> Globals | None:
    """What the point's globals say about roles that are missing; None when the point has none."""
    manifest = listed.need_manifest()
    if manifest.globals is None:
        return None
    where = f"{listed.storage.location}/{listed.point.folder}"
    data = b"".join(listed.storage.read(listed.point.path(manifest.globals.name)))
    with open_unpacking(backup.settings, manifest.encryption, backup.runner) as commands:
        text = unpack(data, manifest.globals, commands, where).decode(errors="replace")
    return missing_roles(text, facts.roles)


def create_roles(
    backup: Backup, place: Place, facts: ServerFacts, found: Globals | None
) -> tuple[ServerFacts, list[str]]:
    """Create what is missing, all or nothing; the server as it then is, and warnings. Roles that exist stay."""
    if found is None or not found.new:
        return facts, []
    names = ", ".join(found.new)
    if not facts.superuser:
        return facts, [f"roles that the server lacks: {names}; only a superuser can create them from the backup"]
    backup.reporter.step(f"creating roles that the server lacks: {names}")
    command = session_command(place.programs, place.maintenance)
    try:
        with Session(replace(command, secrets=(*command.secrets, *found.secrets))) as session:
            session.text(f"BEGIN; {_NOT_LOGGED}")
            for statement in found.statements:
                session.text(statement)
            session.text("COMMIT")
    except CommandFailed as error:
        raise OpsError(
            f"roles {names} of the backup cannot be created ({error.facts['stderr']}); create them by hand, or "
            "restore without (option roles: false)"
        ) from None
    return replace(facts, roles=facts.roles | set(found.new)), []


def missing_tablespaces(facts: ServerFacts, found: Globals | None) -> list[str]:
    return [] if found is None else [name for name in found.tablespaces if name not in facts.tablespaces]
