# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result: the adapters, the lock, and what an interrupted run left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core.clock import Clock, SystemClock, process_seconds
from .._core.command import Runner, SubprocessRunner
from .._core.errors import OpsError
from .._core.jsonlines import JsonLines
from .._core.lock import file_lock
from .caddy_admin import HttpAdmin
from .checks import validate
from .compose import Compose, profiles_of
from .engine import DockerEngine
from .gate import NetworkGate
from .hooks import CommandHooks, check_hooks
from .options import Options
from .proxy import NGINX, Proxy, ProxySetting
from .proxy_caddy import CaddyProxy
from .proxy_nginx import NginxProxy
from .proxy_options import proxies_from
from .releases import ReleaseStore, choose_release
from .rollout import Rollout
from .steps import Tools
from .target import Targets
from .trail import Trail
from .waiting import HealthChecker

POLL_SECONDS = 0.5


def run_rollout(options: Options, *, check: bool, tell: Callable[[str], None]) -> dict[str, object]:
    """Deploy or roll back on this host and return the module's result; ``tell`` gets warnings. Raises OpsError."""
    _check_paths(options)
    check_hooks(options.hooks)
    for setting in options.settings.values():
        validate(setting.checks)
    clock = SystemClock()
    runner = SubprocessRunner()
    compose = Compose(
        runner,
        options.project,
        options.directory,
        options.files,
        env_files=options.env_files,
        profiles=options.profiles,
    )

    def restored(path: Path, resolved: Mapping[str, Any]) -> Compose:
        return Compose(runner, options.project, options.directory, (path,), profiles=profiles_of(resolved))

    engine = DockerEngine(options.logins)
    trail = Trail(JsonLines(options.release_directory / "journal.jsonl"), clock, tell)
    store = ReleaseStore(options.release_directory)
    options = _remembering_proxies(options, store)
    targets = Targets(options, compose, restored, engine, store)
    tools = Tools(
        engine=engine,
        gate=NetworkGate(runner),
        checker=HealthChecker(engine, clock, runner),
        hooks=CommandHooks(runner, options),
        clock=clock,
        trail=trail,
        proxies=tuple(_proxy(setting, options.project, runner, clock) for setting in _settings(options)),
    )
    rollout = Rollout(options, targets=targets, store=store, tools=tools)
    if check:
        return rollout.preview()
    with _alone(options, clock):
        try:
            return {**rollout.run(), "seconds": round(process_seconds(), 2)}
        except OpsError as error:
            error.facts["seconds"] = round(process_seconds(), 2)
            raise


def _remembering_proxies(options: Options, store: ReleaseStore) -> Options:
    """A rollback goes through the proxies that the release was deployed with, unless the user names others."""
    if options.state != "rolled_back" or options.proxies is not None:
        return options
    return replace(options, proxies=tuple(choose_release(store.all(), options.release).proxies))


def _settings(options: Options) -> tuple[ProxySetting, ...]:
    return proxies_from(options.proxies or (), options.project)


def _proxy(setting: ProxySetting, project: str, runner: Runner, clock: Clock) -> Proxy:
    if setting.type == NGINX:
        return NginxProxy(setting, project, runner, clock)
    return CaddyProxy(setting, project, HttpAdmin(setting.admin), runner)


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
    """Processes of ``docker compose --project-name PROJECT ... up``: a killed run leaves its child to itself."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if (
            "compose" in argv
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
