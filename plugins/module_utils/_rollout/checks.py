# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the health engine against one container, beside Docker's own health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .._core.clock import Clock
from .._core.command import Runner
from .._core.errors import OpsError
from .._health.parse import parse_checks, parse_policy
from .._health.probes import SystemProbes
from .._health.report import WaitReport
from .._health.waiter import probe_once, wait_for
from .runtime import Container

Checks = Sequence[Mapping[str, Any]]
KINDS = frozenset(("http", "tcp"))
CREDENTIALS = frozenset(("headers", "username", "password", "body"))


class Checker(Protocol):
    """Looks at containers from outside."""

    def wait(self, container: Container, checks: Checks, timeout: float) -> str | None:
        """None when all checks are healthy within ``timeout`` seconds, else what is wrong. Raises OpsError."""

    def look(self, container: Container, checks: Checks) -> str | None:
        """None when all checks are healthy now, else what is wrong. Raises OpsError."""


class HealthChecker:
    """Checker by the health engine."""

    def __init__(self, clock: Clock, runner: Runner) -> None:
        self._clock = clock
        self._runner = runner

    def wait(self, container: Container, checks: Checks, timeout: float) -> str | None:
        """Wait for the checks of one container."""
        return self._follow(container, checks, {"timeout": max(timeout, 0.1)}, once=False)

    def look(self, container: Container, checks: Checks) -> str | None:
        """Try the checks of one container once."""
        return self._follow(container, checks, {}, once=True)

    def _follow(self, container: Container, checks: Checks, times: Mapping[str, float], *, once: bool) -> str | None:
        given = addressed(checks, container)
        policy = parse_policy(times, len(given))
        parsed = parse_checks(given, policy, "service_settings.checks")
        with SystemProbes(self._clock, self._runner) as probes:
            follow = probe_once if once else wait_for
            report: WaitReport = follow(parsed, policy, self._clock, probes)
        return None if report.ok else report.message


def validate(checks: Checks) -> None:
    """Raises OpsError for checks that make no sense, before anything is touched.

    Only kinds and options without credentials: Ansible knows secrets only of options that are declared one by one.
    """
    for check in checks:
        wrong = set(check) - KINDS - {"name", "timeout", "interval", "probe_timeout", "successes", "stable_for"}
        wrong |= {f"http.{key}" for key in check.get("http") or {} if key in CREDENTIALS}
        if wrong:
            raise OpsError(
                f"service_settings.checks: {', '.join(sorted(wrong))} cannot be used here; a check is http or tcp, "
                "without credentials. Use health_wait after the deployment for others"
            )
    if checks:
        sample = addressed(checks, Container("", "container", "", 1, "", "", "running", address="127.0.0.1"))
        parse_checks(sample, parse_policy({}, len(sample)), "service_settings.checks")


def addressed(checks: Checks, container: Container) -> list[dict[str, Any]]:
    """The checks with ``{address}`` and ``{container}`` put in."""
    if not container.address and "{address}" in repr(checks):
        raise OpsError(f"service_settings.checks: container {container.name} has no address for {{address}}")
    return [{key: _filled(value, container) for key, value in check.items()} for check in checks]


def _filled(value: Any, container: Container) -> Any:
    if isinstance(value, str):
        return value.replace("{address}", container.address).replace("{container}", container.name)
    if isinstance(value, Mapping):
        return {key: _filled(inner, container) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(inner, container) for inner in value]
    return value
