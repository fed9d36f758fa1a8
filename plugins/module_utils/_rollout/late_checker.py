# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for containers, loaded while they boot: before they are started every import costs the deployment time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from .._core.clock import Clock
from .._core.command import Runner
from .checks import Checker, Checks
from .runtime import Container, Engine


class LateChecker:
    """Checker by the health engine, as soon as there is something to wait for."""

    def __init__(self, engine: Engine, clock: Clock, runner: Runner) -> None:
        self._parts = engine, clock, runner

    @cached_property
    def _checker(self) -> Checker:
        from .waiting import HealthChecker  # noqa: PLC0415

        return HealthChecker(*self._parts)

    def wait(self, containers: Sequence[Container], checks: Checks, *, timeout: float, stable_for: float) -> None:
        self._checker.wait(containers, checks, timeout=timeout, stable_for=stable_for)

    def wait_completed(self, container: Container, *, timeout: float) -> None:
        self._checker.wait_completed(container, timeout=timeout)

    def look(self, container: Container, checks: Checks) -> str | None:
        return self._checker.look(container, checks)
