# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docker compose`` as argument lists, and the adapter that runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .override import override_text
from .plugin import DOCKER_COMPOSE

CONFIG_SECONDS = 60.0
UP_SECONDS = 900.0
NO_PLUGIN = ("is not a docker command", "unknown docker command", "unknown command", "unknown flag: --progress")
PORT_TAKEN = ("address already in use", "port is already allocated")


def base_arguments(
    project: str, directory: Path, files: tuple[str, ...], env_files: tuple[Path, ...], profiles: tuple[str, ...]
) -> tuple[str, ...]:
    """Everything between the program and the subcommand."""
    arguments = [
        "--progress",
        "quiet",
        "--project-name",
        project,
        "--project-directory",
        str(directory),
    ]
    for file in files:
        arguments += ["--file", file]
    for env_file in env_files:
        arguments += ["--env-file", str(env_file)]
    for profile in profiles:
        arguments += ["--profile", profile]
    return tuple(arguments)


def profiles_of(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Every profile of a resolved project; without them its services would count as disabled."""
    services = (resolved.get("services") or {}).values()
    return tuple(sorted({profile for spec in services for profile in spec.get("profiles") or ()}))


def create_arguments(service: str, counts: Mapping[str, int], recreate: bool) -> tuple[str, ...]:
    """``create`` for one service: nothing is pulled, built or started, and no other service changes.

    Not with ``--no-deps``: that takes ``depends_on`` out of the definition, so that the containers get another hash and
    the next ``docker compose up`` by hand replaces them (seen with 2.26).
    """
    scales = [argument for name, count in sorted(counts.items()) for argument in ("--scale", f"{name}={count}")]
    mode = "--force-recreate" if recreate else "--no-recreate"
    return ("create", "--no-build", "--pull", "never", mode, *scales, service)


def start_arguments(service: str, count: int) -> tuple[str, ...]:
    """``up`` that starts what ``create`` made.

    It creates what is missing too, which is right only for a service without dependencies: there ``--no-deps`` takes
    nothing away, and one start of the program is saved.
    """
    quiet = ("--detach", "--no-deps", "--no-recreate", "--no-build", "--pull", "never")
    return ("up", *quiet, "--scale", f"{service}={count}", service)


def run_arguments(service: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """``run`` for a one-off command; nothing else is started."""
    return ("run", "--rm", "--no-deps", "--no-TTY", service, *command)


class Compose:
    """ComposeCli through the plugin of the Docker CLI; ``program`` is what starts it."""

    def __init__(
        self,
        runner: Runner,
        project: str,
        directory: Path,
        files: tuple[Path, ...],
        *,
        env_files: tuple[Path, ...] = (),
        profiles: tuple[str, ...] = (),
        overlay: str | None = None,
        program: tuple[str, ...] = DOCKER_COMPOSE,
    ) -> None:
        self._runner = runner
        self._program = program
        self._files = files
        self._env_files = env_files
        self._profiles = profiles
        self._overlay = overlay
        self._project = project
        self._directory = directory
        given = (*map(str, files), *(() if overlay is None else ("-",)))
        self._base = (*program, *base_arguments(project, directory, given, env_files, profiles))
        self._begun: tuple[Future[dict[str, Any]], Future[dict[str, str]]] | None = None

    def begin_reading(self) -> None:
        """Let the next ``config``, and the ``hashes`` of what it gives, be found out while this process does else."""
        threads = ThreadPoolExecutor(max_workers=2)
        resolved = threads.submit(self._read)
        self._begun = resolved, threads.submit(self._hash, resolved.result)
        threads.shutdown(wait=False)

    def overlaid(self, images: Mapping[str, str]) -> Compose:
        """The same project with other images, by one more Compose file that only standard input holds."""
        if not images:
            return self
        return Compose(
            self._runner,
            self._project,
            self._directory,
            self._files,
            env_files=self._env_files,
            profiles=self._profiles,
            overlay=override_text(images),
            program=self._program,
        )

    def reading(self, file: Path, profiles: tuple[str, ...]) -> Compose:
        """The same project by another Compose file."""
        return Compose(self._runner, self._project, self._directory, (file,), profiles=profiles, program=self._program)

    def config(self) -> dict[str, Any]:
        """The resolved project."""
        return self._read() if self._begun is None else self._begun[0].result()

    def _read(self) -> dict[str, Any]:
        try:
            result = self._runner.run(
                self._command((*self._base, "config", "--format", "json")), timeout=CONFIG_SECONDS
            )
        except CommandFailed as error:
            raise _invalid(error) from None
        return dict(json.loads(result.stdout))

    def hashes(self, resolved: Mapping[str, Any]) -> dict[str, str]:
        """The hash that Compose labels containers with.

        It is asked about the resolved project: on the files themselves ``config --hash`` (seen with 2.26) leaves
        env_file unresolved and prints a hash that no container ever gets.
        """
        begun, self._begun = self._begun, None
        return (
            begun[1].result() if begun is not None and begun[0].result() is resolved else self._hash(lambda: resolved)
        )

    def _hash(self, resolved: Callable[[], Mapping[str, Any]]) -> dict[str, str]:
        # Every profile: the resolved project holds only what is enabled, which would count as disabled without them.
        base = base_arguments(self._project, self._directory, ("-",), (), ("*",))
        command = Command(
            (*self._program, *base, "config", "--hash", "*"), stdin=lambda: json.dumps(resolved()).encode()
        )
        lines = self._runner.run(command, timeout=CONFIG_SECONDS).stdout.splitlines()
        return {name: value for name, _unused, value in (line.strip().partition(" ") for line in lines) if value}

    def defined(self) -> set[str]:
        """The names of all services, those of every profile too."""
        arguments = (*self._base, "--profile", "*", "config", "--services")
        return set(self._runner.run(self._command(arguments), timeout=CONFIG_SECONDS).stdout.split())

    def create(self, service: str, counts: Mapping[str, int], *, recreate: bool) -> None:
        """Create containers of one service up to its count, without starting them."""
        arguments = create_arguments(service, counts, recreate)
        self._runner.run(self._command((*self._base, *arguments)), timeout=UP_SECONDS)

    def start(self, service: str, count: int) -> None:
        """Start the containers of one service that do not run; without dependencies, create those that are missing."""
        try:
            self._runner.run(self._command((*self._base, *start_arguments(service, count))), timeout=UP_SECONDS)
        except CommandFailed as error:
            if not any(sign in error.message for sign in PORT_TAKEN):
                raise
            advice = (
                f"somebody has this host port, maybe containers of {service} that publish it on another address. "
                "Free it, or publish other host ports in this release"
            )
            raise OpsError(f"{error.message}; {advice}", **error.facts) from None

    def run(self, service: str, command: tuple[str, ...], *, timeout: float) -> None:
        """Run a command to its end in a container of its own."""
        self._runner.run(self._command((*self._base, *run_arguments(service, command))), timeout=timeout)

    def _command(self, argv: tuple[str, ...]) -> Command:
        stdin = None if self._overlay is None else self._overlay.encode()
        return Command(argv, stdin=stdin, cwd=str(self._directory))


def _invalid(error: CommandFailed) -> OpsError:
    stderr = str(error.facts.get("stderr") or "")
    if "cannot be run" in error.message or any(sign in stderr for sign in NO_PLUGIN):
        return OpsError(
            "docker compose is missing on this host or older than 2.20: install the Docker CLI and its Compose plugin "
            "(role docker; packages docker-cli and docker-compose of Debian 13)"
        )
    return OpsError(
        f"the Compose project is not valid (options project_directory, files, env_files): {stderr or error.message}"
    )
