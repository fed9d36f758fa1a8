# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for containers with the health engine: their own state and the checks beside it, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .._core.clock import Clock
from .._core.command import Runner
from .._health.outcome import UnhealthyError
from .._health.report import State
from .._health.spec import Check, Policy, Probe
from .._health.waiter import probe_once, wait_for
from .checks import Checks, addressed
from .health_test import HealthTest, Pace
from .readiness import FAILED, READY, WAITING, NotReadyError, Verdict, completion, verdict_now
from .runtime import Container, Engine
from .sockets import Listening, listening

if TYPE_CHECKING:
    from .._health.probes import SystemProbes

INTERVAL_SECONDS = 0.1
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


class HealthChecker:
    """Checker by the health engine."""

    def __init__(self, engine: Engine, clock: Clock, runner: Runner, listening: Listening = listening) -> None:
        self._engine = engine
        self._clock = clock
        self._runner = runner
        self._listening = listening

    def wait(self, containers: Sequence[Container], checks: Checks, *, timeout: float, stable_for: float) -> None:
        """Wait for all of them; a check that goes on failing ends as soon as its container fails."""
        policy = Policy(timeout=max(timeout, 0.1))
        awaited: list[Awaited] = []
        pace = Pace()
        for container in containers:
            test = HealthTest(self._engine, self._clock, self._listening, pace)
            awaited.append(Awaited(container, _own(container), self._judging(container, stable_for, test), given=False))
            looking = self._judging(container, stable_for)
            awaited += [Awaited(container, one, looking, given=True) for one in _parsed(checks, container, policy)]
        self._wait(awaited, policy)

    def wait_completed(self, container: Container, *, timeout: float) -> None:
        """Wait until it has ended."""

        def judge() -> Verdict:
            return completion(self._engine.container(container.id))

        policy = Policy(timeout=max(timeout, 0.1))
        self._wait([Awaited(container, _own(container), judge, given=False)], policy, ended=True)

    def look(self, container: Container, checks: Checks) -> str | None:
        """Try the checks of one container once."""
        policy = Policy()
        with self._system() as probes:
            report = probe_once(_parsed(checks, container, policy), policy, self._clock, probes)
        return None if report.ok else report.message

    def _judging(self, container: Container, stable_for: float, test: HealthTest | None = None) -> Judge:
        def judge() -> Verdict:
            now = self._engine.container(container.id)
            judged = verdict_now(now, self._clock.now().timestamp(), stable_for)
            if test is not None and judged.state == READY:
                test.is_met()
            if test is None or now is None or judged.state != WAITING or now.health != STARTING:
                return judged
            return Verdict(READY, "its health check passes") if test.passes(now) else judged

        return judge

    def _wait(self, awaited: Sequence[Awaited], policy: Policy, *, ended: bool = False) -> None:
        if not awaited:
            return
        with self._system() if any(one.given for one in awaited) else nullcontext(_unasked) as system:

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

    def _system(self) -> SystemProbes:
        from .._health.probes import SystemProbes  # noqa: PLC0415 - all kinds of checks; most rollouts need none

        return SystemProbes(self._clock, self._runner)


def _parsed(checks: Checks, container: Container, policy: Policy) -> tuple[Check, ...]:
    if not checks:
        return ()
    from .._health.parse import parse_checks  # noqa: PLC0415 - all kinds of checks; most rollouts need none

    return parse_checks(addressed(checks, container), policy, WHERE)


def _unasked(check: Check) -> Probe:
    raise AssertionError(f"nobody asks for {check.name}")


def _own(container: Container) -> Check:
    return Check(container.name, ContainerTarget(container.name), interval=INTERVAL_SECONDS)


def _state(judge: Judge) -> Probe:
    async def probe(limit: float) -> str:
        judged = await asyncio.to_thread(judge)  # the Engine takes its time to begin a health check
        if judged.state == READY:
            return judged.reason
        raise UnhealthyError(judged.reason, fatal=judged.state == FAILED)

    return probe


def _guarded(judge: Judge, inner: Probe) -> Probe:
    """A check from outside, which is pointless as soon as its container has failed."""

    async def probe(limit: float) -> str:
        judged = await asyncio.to_thread(judge)
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
