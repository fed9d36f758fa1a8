# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's client programs, run here or in the server's container, as commands that hold no secret in ``argv``."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .settings import Source

CONNECT_SECONDS = "15"
DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")


class Programs(Protocol):
    """Makes the command that runs one of PostgreSQL's programs against ``database``."""

    def command(self, program: str, *arguments: str, database: str, major: int | None = None) -> Command:
        """``major`` chooses among several installed versions."""


@dataclass(frozen=True, slots=True)
class LocalPrograms:
    """Programs of this host; libpq takes the connection from the environment."""

    env: Mapping[str, str] = field(repr=False)
    prefix: tuple[str, ...]
    bin_dir: str | None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def command(self, program: str, *arguments: str, database: str, major: int | None = None) -> Command:
        return Command(
            (*self.prefix, self._path(program, major), *arguments),
            env={**self.env, "PGDATABASE": database},
            cwd="/",
            secrets=self.secrets,
        )

    def _path(self, program: str, major: int | None) -> str:
        if self.bin_dir:
            return f"{self.bin_dir}/{program}"
        debian = DEBIAN_PROGRAMS / str(major) / "bin" / program
        return str(debian) if major and debian.exists() else program


@dataclass(frozen=True, slots=True)
class ContainerPrograms:
    """Programs of the server's own container, connecting through its local socket."""

    container: str
    login_user: str
    run_as: str
    port: int
    application: str
    password: str | None = field(default=None, repr=False)

    def command(self, program: str, *arguments: str, database: str, major: int | None = None) -> Command:
        values = {
            "PGDATABASE": database,
            "PGUSER": self.login_user,
            "PGPORT": str(self.port),
            "PGAPPNAME": self.application,
            "PGCONNECT_TIMEOUT": CONNECT_SECONDS,
        }
        options = [item for key, value in values.items() for item in ("-e", f"{key}={value}")]
        # Only the name: docker takes the value from its own environment.
        options += ["-e", "PGPASSWORD"] if self.password else []
        argv = ("docker", "exec", "-i", "-u", self.run_as, *options, self.container, program, *arguments)
        secret = {"PGPASSWORD": self.password} if self.password else {}
        return Command(argv, env=secret, secrets=tuple(secret.values()))


@contextmanager
def open_programs(source: Source, application: str, runner: Runner) -> Iterator[Programs]:
    """The programs for ``source``; a password lies in a private file as long as the context is open."""
    if source.in_container:
        yield ContainerPrograms(
            container=find_container(source, runner),
            login_user=source.login_user,
            run_as=source.run_as or "postgres",
            port=source.login_port,
            application=application,
            password=source.login_password,
        )
        return
    with tempfile.TemporaryDirectory(prefix="keelson-") as private:
        env = connection_environment(source, application)
        if source.login_password:
            passfile = Path(private) / "pgpass"
            passfile.touch(mode=0o600)
            passfile.write_text(f"*:*:*:*:{_escape(source.login_password)}\n", encoding="utf-8")
            env["PGPASSFILE"] = str(passfile)
            if source.run_as:
                shutil.chown(private, source.run_as)
                shutil.chown(passfile, source.run_as)
        secrets = (source.login_password,) if source.login_password else ()
        prefix: tuple[str, ...] = ()
        if source.run_as:
            prefix, home = become(source.run_as)
            env.update(home)
        yield LocalPrograms(env, prefix, source.bin_dir, secrets)


def become(name: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """What goes before a command of another user's, and its environment. Raises OpsError when there is no such user.

    setpriv runs the program in its own place, so that our signals reach it; runuser would stand between.
    """
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise OpsError(f"there is no user {name!r} on this host (option run_as)") from None
    home = {"HOME": account.pw_dir}
    if os.geteuid() == account.pw_uid:
        return (), home
    return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups", "--"), home


def connection_environment(source: Source, application: str) -> dict[str, str]:
    """libpq's variables: https://www.postgresql.org/docs/current/libpq-envars.html"""
    optional = {
        "PGHOST": source.login_host or source.login_unix_socket,
        "PGSSLROOTCERT": source.ca_cert,
        "PGSSLCERT": source.ssl_cert,
        "PGSSLKEY": source.ssl_key,
    }
    return {
        "PGPORT": str(source.login_port),
        "PGUSER": source.login_user,
        "PGSSLMODE": source.ssl_mode,
        "PGAPPNAME": application,
        "PGCONNECT_TIMEOUT": CONNECT_SECONDS,
        **{key: value for key, value in optional.items() if value},
    }


def find_container(source: Source, runner: Runner) -> str:
    """The one running container that is meant. Raises OpsError."""
    if source.container:
        command = Command(("docker", "inspect", "--format", "{{.State.Running}}", source.container))
        done = runner.run(command, timeout=60, check=False)
        if done.rc != 0 or done.stdout.strip() != "true":
            said = done.stderr.strip() or "it is stopped"
            raise OpsError(f"container {source.container!r} is not running (option container): {said}")
        return source.container
    labels = {"project": source.compose_project, "service": source.compose_service}
    filters = [a for key, value in labels.items() for a in ("--filter", f"label=com.docker.compose.{key}={value}")]
    command = Command(("docker", "ps", "--no-trunc", "--filter", "status=running", *filters, "--format", "{{.ID}}"))
    found = runner.run(command, timeout=60).stdout.split()
    if len(found) != 1:
        raise OpsError(
            f"Compose service {source.compose_service!r} of project {source.compose_project!r} has {len(found)} "
            "running containers, 1 is needed (options compose_project, compose_service)"
        )
    return found[0]


def require_same_major(programs: Programs, program: str, server_major: int, database: str, runner: Runner) -> str:
    """The version of ``program``. Raises OpsError when it is missing or not of the server's major version."""
    command = programs.command(program, "--version", database=database, major=server_major)
    done = runner.run(command, timeout=60, check=False)
    match = re.search(r"(\d+)(?:\.\d+)?", done.stdout) if done.rc == 0 else None
    if match is None or int(match.group(1)) != server_major:
        have = f"here it is version {match.group(0)}" if match else "it cannot be run here"
        raise OpsError(
            f"{program} must be of version {server_major} like the server, {have}; install the package "
            f"postgresql-client-{server_major}, or use the server's own programs (container, compose_service)"
        )
    return match.group(0)


def connection_string(database: str) -> str:
    """For programs that take the database only as an argument, which they read as more than a name."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
