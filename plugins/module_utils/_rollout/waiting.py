# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for containers with the health engine: their own state and the checks beside it, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .._core.clock import Clock
from .._core.command import Runner
from .._health.outcome import UnhealthyError
from .._health.parse import parse_checks, parse_policy
from .._health.probes import SystemProbes
from .._health.report import State
from .._health.spec import Check, Policy, Probe
from .._health.waiter import probe_once, wait_for
from .checks import Checks, addressed
from .readiness import FAILED, READY, WAITING, NotReadyError, Verdict, completion, verdict_now
from .runtime import Container, Engine

INTERVAL_SECONDS = 0.25
STARTING = "starting"
WHERE = "service_settings.checks"

Judge = Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class ContainerTarget:
    """The state of one container, as this rollout judges it."""

    kind: ClassVar[str] = "container"

    name: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Awaited:
    """One check of one container; ``given`` by the user, or its own state."""

    container: Container
    check: Check
    judge: Judge
    given: bool


class HealthTest:
    """A container's own health check, asked without a pause: Docker itself waits for an interval before each."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self._engine = engine
        self._container = container_id
        self._test: str | None = None

    def passes(self) -> bool:
        """Whether the test begun by a call before has passed meanwhile; begins one when none is under way."""
        passed = False if self._test is None else self._engine.health_test(self._test)
        if passed is False:
            self._test = self._engine.begin_health_test(self._container)
        return bool(passed)


class HealthChecker:
    """Checker by the health engine."""

    def __init__(self, engine: Engine, clock: Clock, runner: Runner) -> None:
        self._engine = engine
        self._clock = clock
        self._runner = runner

    def wait(self, containers: Sequence[Container], checks: Checks, *, timeout: float, stable_for: float) -> None:
        """Wait for all of them; a check that goes on failing ends as soon as its container fails."""
        policy = parse_policy({"timeout": max(timeout, 0.1)}, 1)
        awaited: list[Awaited] = []
        for container in containers:
            judge = self._judging(container, stable_for)
            awaited.append(Awaited(container, _own(container), judge, given=False))
            for check in parse_checks(addressed(checks, container), policy, WHERE) if checks else ():
                awaited.append(Awaited(container, check, judge, given=True))
        self._wait(awaited, policy)

    def wait_completed(self, container: Container, *, timeout: float) -> None:
        """Wait until it has ended."""

        def judge() -> Verdict:
            return completion(self._engine.container(container.id))

        policy = parse_policy({"timeout": max(timeout, 0.1)}, 1)
        self._wait([Awaited(container, _own(container), judge, given=False)], policy, ended=True)

    def look(self, container: Container, checks: Checks) -> str | None:
        """Try the checks of one container once."""
        policy = parse_policy({}, 1)
        parsed = parse_checks(addressed(checks, container), policy, WHERE)
        with SystemProbes(self._clock, self._runner) as probes:
            report = probe_once(parsed, policy, self._clock, probes)
        return None if report.ok else report.message

    def _judging(self, container: Container, stable_for: float) -> Judge:
        test = HealthTest(self._engine, container.id)

        def judge() -> Verdict:
            now = self._engine.container(container.id)
            judged = verdict_now(now, self._clock.now().timestamp(), stable_for)
            if judged.state == WAITING and now is not None and now.health == STARTING and test.passes():
                return Verdict(READY, "its health check passes")
            return judged

        return judge

    def _wait(self, awaited: Sequence[Awaited], policy: Policy, *, ended: bool = False) -> None:
        if not awaited:
            return
        with SystemProbes(self._clock, self._runner) as system:

            def probes(check: Check) -> Probe:
                one = next(one for one in awaited if one.check is check)
                return _guarded(one.judge, system(check)) if one.given else _state(one.judge)

            report = wait_for([one.check for one in awaited], policy, self._clock, probes)
        if report.ok:
            return
        found = list(zip(awaited, report.checks, strict=True))
        order = (State.FAILED, State.UNHEALTHY, State.PENDING)
        one, check = min(
            (pair for pair in found if pair[1].state in order), key=lambda pair: order.index(pair[1].state)
        )
        raise NotReadyError(_words(one, check.state, check.error, policy.timeout, ended=ended), one.container.id)


def _own(container: Container) -> Check:
    return Check(container.name, ContainerTarget(container.name), interval=INTERVAL_SECONDS)


def _state(judge: Judge) -> Probe:
    async def probe(limit: float) -> str:
        judged = judge()
        if judged.state == READY:
            return judged.reason
        raise UnhealthyError(judged.reason, fatal=judged.state == FAILED)

    return probe


def _guarded(judge: Judge, inner: Probe) -> Probe:
    """A check from outside, which is pointless as soon as its container has failed."""

    async def probe(limit: float) -> str:
        judged = judge()
        if judged.state == FAILED:
            raise UnhealthyError(judged.reason, fatal=True)
        return await inner(limit)

    return probe


def _words(one: Awaited, state: State, reason: str, timeout: float, *, ended: bool) -> str:
    name = one.container.name
    if state is State.FAILED:
        return f"container {name} {reason}" if ended else f"container {name} failed: {reason}"
    if ended:
        return f"container {name} has not completed after {timeout:g} s (option wait_timeout)"
    what = f"{one.check.name} is not healthy: {reason}" if one.given else reason
    return f"container {name} is not ready after {timeout:g} s (option wait_timeout): {what}"
