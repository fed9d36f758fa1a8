# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill that proves that backups restore: into a throw-away database of the server, or into a server of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from .._core.command import Command
from .._core.errors import OpsError
from .backup import Backup
from .client import find_container
from .globals_restore import create_roles, missing_tablespaces, read_globals
from .load import SPACE_FACTOR, SPACE_RESERVE, Work, give_properties, load, preflight, require_assertion
from .restore import Restored, require_server
from .roles import Globals
from .server import ServerFacts
from .settings import Source
from .verify import Listed, choose
from .work_place import Place, name_prefix, throw_away, work_place

LABEL = "keelson.drill"
START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What a recovery may take and lose, in seconds."""

    rto: float = 4 * 3600
    rpo: float = 24 * 3600

    def missed(self, seconds: float, age: float) -> list[str]:
        """What is wrong with a drill that took ``seconds`` and restored what was ``age`` seconds old, for people."""
        found = [("the recovery took", seconds, self.rto), ("the backup's age was", age, self.rpo)]
        return [f"{what} {taken:.0f} s, the target is {limit:.0f} s" for what, taken, limit in found if taken > limit]


def drill(backup: Backup, database: str, which: str = "latest", *, image: str | None = None) -> Restored:
    """Restore a point, compare, ask the user's assertions, remove everything, remember the times.

    ``image`` starts a PostgreSQL of that image for it; ``same`` is the image of the backed up container.
    Raises OpsError.
    """
    require_server(backup)
    with backup.locked("drill"):
        try:
            if image is None:
                remove_containers(backup)
                restored = _in_server(backup, backup, database, which)
            else:
                with drill_container(backup, image, choose(backup, database, which)) as apart:
                    restored = _in_server(backup, apart, database, which)
        except OpsError as error:
            backup.state.audit({"event": "drill failed", "database": database, "error": error.message})
            raise
        backup.state.update(
            database,
            restore_test_at=backup.clock.now().timestamp(),
            restore_test_seconds=restored.seconds,
            restore_test_age=restored.age_seconds,
        )
        backup.state.audit(
            {"event": "drill", "id": restored.listed.point.id, "seconds": restored.seconds, "age": restored.age_seconds}
        )
        return restored


def clean_drills(backup: Backup) -> tuple[str, ...]:
    """Remove what killed drills left. Raises LockHeld while one is active, OpsError."""
    with backup.locked("drill"):
        removed = remove_containers(backup)
        with backup.programs("drill") as programs, work_place(backup, programs, "drill", "") as place:
            return (*removed, *place.removed)


def _in_server(backup: Backup, server: Backup, database: str, which: str) -> Restored:
    """``server`` is the backup with the source to restore into."""
    begun = backup.clock.monotonic()
    assertions = [a.sql for a in backup.settings.assertions if a.database in (None, database)]
    with (
        server.programs("drill") as programs,
        work_place(server, programs, "drill", "") as place,
        throw_away(place) as into,
    ):
        listed = choose(backup, database, which)
        manifest = listed.need_manifest()
        facts = preflight(server, place, manifest)
        found = read_globals(backup, listed, facts)
        facts, warnings, owners = _roles(backup, server, place, facts, found)
        spaces = missing_tablespaces(facts, found)
        warnings += load(Work(server, place, facts, listed), into, spaces=spaces, owners=owners)
        warnings += give_properties(place, facts, manifest.properties, into)
        for sql in assertions:
            require_assertion(backup, programs, into, sql)
        tables = manifest.fingerprint.tables
        return Restored(
            listed=listed,
            into=into,
            seconds=round(backup.clock.monotonic() - begun, 3),
            age_seconds=round((backup.clock.now() - listed.point.taken_at).total_seconds()),
            tables=len(tables),
            rows=sum(table.rows for table in tables),
            assertions=len(assertions),
            warnings=tuple(dict.fromkeys(warnings)),
        )


def _roles(
    backup: Backup, server: Backup, place: Place, facts: ServerFacts, found: Globals | None
) -> tuple[ServerFacts, list[str], bool]:
    """A server of the drill's own gets the missing roles; on one in use a drill leaves no role behind."""
    if found is None or not found.new:
        return facts, [], True
    if server is not backup:
        facts, warnings = create_roles(backup, place, facts, found)
        return facts, warnings, True
    names = ", ".join(found.new)
    return facts, [f"the server lacks roles of the backup ({names}); owners and rights were not tested"], False


@contextmanager
def drill_container(backup: Backup, image: str, listed: Listed) -> Iterator[Backup]:
    """A PostgreSQL of its own without any network, removed at the end with its volume. Raises OpsError."""
    remove_containers(backup)
    _container_preflight(backup, int(listed.need_manifest().database_bytes * SPACE_FACTOR) + SPACE_RESERVE)
    name = name_prefix("drill", backup.settings.name).replace("_", "-") + secrets.token_hex(4)
    source = backup.settings.source
    if image == "same":
        image = _image_of(backup, source)
    environment = {"POSTGRES_USER": source.login_user, "POSTGRES_HOST_AUTH_METHOD": "trust"}
    password = {"POSTGRES_PASSWORD": secrets.token_hex(16)}
    given = [word for key, value in environment.items() for word in ("-e", f"{key}={value}")]
    label = f"{LABEL}={backup.settings.name}"
    command = ("docker", "run", "-d", "--name", name, "--label", label, "--network", "none")
    try:
        backup.reporter.step(f"starting a PostgreSQL of its own from {image}")
        start = Command((*command, *given, "-e", "POSTGRES_PASSWORD", image), env=password)
        backup.runner.run(start, timeout=600)
        _wait_ready(backup, name)
        apart = Source(container=name, login_user=source.login_user)
        yield replace(backup, settings=replace(backup.settings, source=apart))
    finally:
        _remove(backup, [name])


def remove_containers(backup: Backup) -> tuple[str, ...]:
    """Remove the containers that killed drills of this backup left; a host without Docker has none."""
    filters = ("--filter", f"label={LABEL}={backup.settings.name}", "--format", "{{.Names}}")
    try:
        found = backup.runner.run(Command(("docker", "ps", "-a", *filters)), timeout=60, check=False)
    except OpsError:
        return ()
    names = found.stdout.split() if found.rc == 0 else []
    for name in names:
        backup.reporter.step(f"removing container {name}, which an interrupted drill left")
    _remove(backup, names)
    return tuple(names)


def _remove(backup: Backup, names: Sequence[str]) -> None:
    if names:
        with suppress(OpsError):
            backup.runner.run(Command(("docker", "rm", "--force", "--volumes", *names)), timeout=120, check=False)


def _image_of(backup: Backup, source: Source) -> str:
    if not source.in_container:
        raise OpsError("which image to start is not known, as PostgreSQL runs in no container (option drill_image)")
    name = find_container(source, backup.runner)
    command = Command(("docker", "inspect", "--format", "{{.Image}}", name))
    return backup.runner.run(command, timeout=60).stdout.strip()


def _container_preflight(backup: Backup, needed: int) -> None:
    command = Command(("docker", "info", "--format", "{{.DockerRootDir}}"))
    root = backup.runner.run(command, timeout=60).stdout.strip()
    with suppress(OSError):
        found = os.statvfs(root)
        free = found.f_bavail * found.f_frsize
        if free < needed:
            raise OpsError(f"the drill needs about {needed / 1e6:.0f} MB in {root}, {free / 1e6:.0f} MB are free")


def _wait_ready(backup: Backup, name: str) -> None:
    """The image's own first start serves only its socket; over TCP answers the server that stays."""
    deadline = backup.clock.monotonic() + START_SECONDS
    command = Command(("docker", "exec", name, "pg_isready", "--quiet", "--host", "127.0.0.1"))
    while backup.runner.run(command, timeout=60, check=False).rc != 0:
        if backup.clock.monotonic() >= deadline:
            logs = backup.runner.run(Command(("docker", "logs", "--tail", "20", name)), timeout=60, check=False)
            raise OpsError(f"the drill's PostgreSQL does not start: {(logs.stderr or logs.stdout)[-800:]}")
        backup.clock.sleep(0.5)
