# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses the secrets: told to take the current ones, and asked whether it is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._core.clock import Clock
from .._core.command import Command, Runner
from .._core.errors import OpsError
from .._health.parse import parse_checks, parse_policy
from .._health.probes import SystemProbes
from .._health.waiter import wait_for
from .._rollout.options import options_from, without_none

ROLLOUT_DEFAULTS: dict[str, Any] = {
    "state": "deployed",
    "project": None,
    "project_directory": None,
    "files": ["compose.yaml"],
    "env_files": [],
    "profiles": [],
    "services": [],
    "service_settings": [],
    "version": None,
    "release": "previous",
    "pull": "missing",
    "wait_timeout": None,
    "stable_for": None,
    "drain_delay": None,
    "drain_timeout": None,
    "watch": None,
    "hooks": None,
    "registry": [],
    "remove_orphans": False,
    "proxy": None,
    "probe": None,
    "keep_releases": 5,
    "lock_timeout": 60.0,
    "release_directory": None,
    "audit_log": "/var/log/keelson/rollout.jsonl",
    "metrics_directory": "/var/lib/prometheus/node-exporter",
}
ROLLOUT: dict[str, dict[str, Any]] = {
    "project": {"type": "str", "required": True},
    "project_directory": {"type": "path"},
    "files": {"type": "list", "elements": "path"},
    "env_files": {"type": "list", "elements": "path"},
    "profiles": {"type": "list", "elements": "str"},
    "services": {"type": "list", "elements": "str"},
    "version": {"type": "str"},
    "pull": {"type": "str", "choices": ["missing", "always", "never"]},
    "wait_timeout": {"type": "float"},
    "proxy": {"type": "list", "elements": "dict"},
    "drain_delay": {"type": "float"},
    "drain_timeout": {"type": "float"},
    "lock_timeout": {"type": "float"},
}


CREDENTIALS = frozenset(("headers", "username", "password", "body"))


class Application(Protocol):
    """The consumers of the secrets of one call."""

    @property
    def is_told(self) -> bool:
        """Whether it is told by us. Otherwise it takes new secrets by itself within the overlap."""

    def use(self) -> None:
        """Take the current secrets and be well. Raises OpsError when it does not or is not."""

    def check(self) -> None:
        """Raises OpsError when it is not well."""


@dataclass(frozen=True, slots=True)
class HostApplication:
    """A command and a Compose project on this host, and checks of the health engine."""

    command: tuple[str, ...]
    rollout: Mapping[str, Any] | None
    checks: Sequence[Mapping[str, Any]]
    timeout: float
    command_timeout: float
    clock: Clock
    runner: Runner
    tell: Callable[[str], None]

    @property
    def is_told(self) -> bool:
        return bool(self.command or self.rollout)

    def use(self) -> None:
        if self.command:
            try:
                self.runner.run(Command(self.command), timeout=self.command_timeout)
            except OpsError as error:
                raise OpsError(f"apply.command: {error.message}") from None
        if self.rollout:
            self._roll_out(self.rollout)
        self.check()

    def check(self) -> None:
        if not self.checks:
            return
        policy = parse_policy({"timeout": self.timeout}, len(self.checks), "apply")
        checks = parse_checks(self.checks, policy, "apply.checks")
        with SystemProbes(self.clock, self.runner) as probes:
            report = wait_for(checks, policy, self.clock, probes)
        if not report.ok:
            raise OpsError(f"apply.checks: {report.message}", **report.facts())

    def _roll_out(self, given: Mapping[str, Any]) -> None:
        # Needs the Engine's SDK, which a host without Compose does not have.
        from .._rollout.entry import run_rollout  # noqa: PLC0415

        try:
            run_rollout(options_from({**ROLLOUT_DEFAULTS, **without_none(given)}), check=False, tell=self.tell)
        except OpsError as error:
            raise OpsError(f"apply.compose_rollout: {error.message}") from None


def application_from(
    apply: Mapping[str, Any] | None, clock: Clock, runner: Runner, tell: Callable[[str], None]
) -> HostApplication:
    """The application that the option ``apply`` describes. Raises OpsError naming the option that makes no sense."""
    given = apply or {}
    timeout = float(given.get("timeout") or 120)
    checks = [without_none(check) for check in given.get("checks") or ()]
    if checks:
        _refuse_credentials(checks)
        parse_checks(checks, parse_policy({"timeout": timeout}, len(checks), "apply"), "apply.checks")
    rollout = given.get("compose_rollout")
    if rollout:
        options_from({**ROLLOUT_DEFAULTS, **without_none(rollout)})
    command_timeout = float(given.get("command_timeout") or 600)
    command = tuple(given.get("command") or ())
    return HostApplication(command, rollout, checks, timeout, command_timeout, clock, runner, tell)


def _refuse_credentials(checks: Sequence[Mapping[str, Any]]) -> None:
    """Ansible knows secrets only of options that are declared one by one."""
    for index, check in enumerate(checks):
        for kind, options in check.items():
            wrong = sorted(CREDENTIALS & set(options)) if isinstance(options, Mapping) else []
            if wrong:
                raise OpsError(
                    f"apply.checks[{index}].{kind}.{wrong[0]}: checks with credentials cannot be used here; look at "
                    "something that needs none, such as the application's own health page"
                )
