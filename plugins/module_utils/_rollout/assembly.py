# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout of real parts: Docker, proxies, clock and programs of this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core.clock import Clock
from .._core.command import Runner
from .._core.jsonlines import JsonLines
from .caddy_admin import HttpAdmin
from .caddy_checks import Loadings
from .compose import Compose, profiles_of
from .confidential import Confidential
from .engine import DockerEngine
from .gate import NetworkGate
from .hooks import CommandHooks
from .late_checker import LateChecker
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


def assembled(
    options: Options,
    compose: Compose,
    *,
    clock: Clock,
    runner: Runner,
    tell: Callable[[str], None],
    confidential: Confidential,
) -> Rollout:
    """The rollout of a project that ``compose`` reads. Raises OpsError without an Engine or a release to go back to."""

    def restored(path: Path, resolved: Mapping[str, Any]) -> Compose:
        return compose.reading(path, profiles_of(resolved))

    engine = DockerEngine(options.logins)
    trail = Trail(JsonLines(options.release_directory / "journal.jsonl"), clock, tell)
    store = ReleaseStore(options.release_directory)
    options = _remembering_proxies(options, store)
    tools = Tools(
        engine=engine,
        gate=NetworkGate(runner),
        checker=LateChecker(engine, clock, runner),
        hooks=CommandHooks(runner, options),
        clock=clock,
        trail=trail,
        proxies=tuple(_proxy(setting, options.project, runner, clock) for setting in _settings(options)),
    )
    targets = Targets(options, compose, restored, engine, store, confidential=confidential)
    return Rollout(options, targets=targets, store=store, tools=tools, confidential=confidential)


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
    return CaddyProxy(setting, project, HttpAdmin(setting.admin), runner, clock, loadings=Loadings(setting.admin))
