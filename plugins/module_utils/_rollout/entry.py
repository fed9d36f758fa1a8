# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result: the lock, what an interrupted run left behind, and the rollout itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .._core.clock import Clock, SystemClock, process_seconds
from .._core.command import SubprocessRunner
from .._core.errors import OpsError
from .._core.lock import file_lock
from .checks import validate
from .compose import Compose
from .confidential import Confidential, DiscreetRunner
from .hooks import check_hooks
from .options import Options
from .plugin import NAME, compose_program

if TYPE_CHECKING:
    from .rollout import Rollout

POLL_SECONDS = 0.5


def run_rollout(options: Options, *, check: bool, tell: Callable[[str], None]) -> dict[str, object]:
    """Deploy or roll back on this host and return the module's result; ``tell`` gets warnings. Raises OpsError."""
    _check_paths(options)
    check_hooks(options.hooks)
    for setting in options.settings.values():
        validate(setting.checks)
    clock = SystemClock()
    if check:
        return _begun(options, clock, tell).preview()
    with _alone(options, clock):
        try:
            return {**_begun(options, clock, tell).run(), "seconds": round(process_seconds(), 2)}
        except OpsError as error:
            error.facts["seconds"] = round(process_seconds(), 2)
            raise


def _begun(options: Options, clock: Clock, tell: Callable[[str], None]) -> Rollout:
    """The rollout, most of whose program is loaded while docker compose reads the project."""
    confidential = Confidential(login.password for login in options.logins)
    runner = DiscreetRunner(SubprocessRunner(), confidential)
    compose = Compose(
        runner,
        options.project,
        options.directory,
        options.files,
        env_files=options.env_files,
        profiles=options.profiles,
        program=compose_program(os.environ),
    )
    if options.state == "deployed":
        compose.begin_reading()
    from .assembly import assembled  # noqa: PLC0415

    return assembled(options, compose, clock=clock, runner=runner, tell=tell, confidential=confidential)


@contextmanager
def _alone(options: Options, clock: Clock) -> Iterator[None]:
    what = "deployment" if options.state == "deployed" else "rollback"
    purpose = f"{what} of project {options.project}" + (f" {options.version}" if options.version else "")
    lock = options.release_directory / "lock"
    options.release_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(lock, purpose=purpose, timeout=options.lock_timeout, clock=clock):
        deadline = clock.monotonic() + options.lock_timeout
        while pids := compose_processes(options.project):
            if clock.monotonic() >= deadline:
                raise OpsError(
                    f"docker compose (process {', '.join(map(str, pids))}) is still working on project "
                    f"{options.project}, started by hand or by a deployment that was killed; "
                    f"waited {options.lock_timeout:g} s (option lock_timeout)"
                )
            clock.sleep(POLL_SECONDS)
        yield


def compose_processes(project: str, proc: Path = Path("/proc")) -> list[int]:
    """Processes of Compose with ``--project-name PROJECT ... up``: a killed run leaves its child to itself."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if (
            ("compose" in argv or argv[0].endswith(f"/{NAME}"))
            and not {"up", "create", "run"}.isdisjoint(argv)
            and f"--project-name\0{project}\0" in "\0".join(argv)
        ):
            found.append(int(entry.name))
    return sorted(found)


def _check_paths(options: Options) -> None:
    if not options.directory.is_dir():
        raise OpsError(f"project_directory: {options.directory} is not a directory")
    if options.state == "deployed":
        for name, paths in (("files", options.files), ("env_files", options.env_files)):
            for path in paths:
                if not path.is_file():
                    raise OpsError(f"{name}: {path} does not exist")
