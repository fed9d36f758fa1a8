# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event loop that follows all checks at once.

``wait_for`` is the entry point for other engines::

    with SystemProbes(clock, runner) as probes:
        report = wait_for(checks, Policy(timeout=60), clock, probes)
    if not report.ok:
        raise OpsError(report.message, **report.facts())
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from .._core.clock import Clock
from .._core.masking import mask
from .limit import within
from .outcome import Outcome, UnhealthyError
from .report import State, WaitReport, verdict
from .spec import Check, Policy, Probe, Probes
from .story import Story

CONCURRENT_ATTEMPTS = 256
LAST_MOMENT = 0.001
TICK = 0.1


def wait_for(checks: Sequence[Check], policy: Policy, clock: Clock, probes: Probes) -> WaitReport:
    """Wait until enough ``checks`` are healthy, or too few can still become so, or the time is over.

    A check that was found healthy is not looked at again. Raises OpsError when this host cannot run a check at all.
    """
    return asyncio.run(wait(checks, policy, clock, probes))


def probe_once(checks: Sequence[Check], policy: Policy, clock: Clock, probes: Probes) -> WaitReport:
    """Try each check exactly once, whatever successes and stability the policy asks for. Raises as ``wait_for``."""
    return asyncio.run(look(checks, policy, clock, probes))


async def wait(
    checks: Sequence[Check],
    policy: Policy,
    clock: Clock,
    probes: Probes,
    jitter: Callable[[], float] = random.random,
) -> WaitReport:
    """``wait_for`` on the running loop, whose time must be that of ``clock``."""
    made = [probes(check) for check in checks]
    waiter = _Waiter(checks, policy, clock, jitter)
    pending = {asyncio.create_task(waiter.follow(*pair)) for pair in zip(waiter.stories, made, strict=True)}
    try:
        while pending and waiter.verdict() is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return waiter.report()


async def look(checks: Sequence[Check], policy: Policy, clock: Clock, probes: Probes) -> WaitReport:
    """``probe_once`` on the running loop."""
    once = Policy(timeout=policy.timeout, probe_timeout=policy.probe_timeout, require=policy.require)
    bare = [Check(check.name, check.target, probe_timeout=check.probe_timeout) for check in checks]
    made = [probes(check) for check in bare]
    waiter = _Waiter(bare, once, clock, random.random)
    await asyncio.gather(*(waiter.try_once(*pair) for pair in zip(waiter.stories, made, strict=True)))
    return waiter.report()


class _Waiter:
    def __init__(self, checks: Sequence[Check], policy: Policy, clock: Clock, jitter: Callable[[], float]) -> None:
        self.stories = [Story(check, policy.demand(check)) for check in checks]
        self._needed = policy.needed(len(checks))
        self._clock = clock
        self._jitter = jitter
        self._gate = asyncio.Semaphore(CONCURRENT_ATTEMPTS)
        self._started = clock.monotonic()

    def verdict(self) -> bool | None:
        return verdict([story.state for story in self.stories], self._needed)

    def report(self) -> WaitReport:
        return WaitReport(
            ok=self.verdict() is True,
            needed=self._needed,
            seconds=self._elapsed(),
            checks=tuple(story.report() for story in self.stories),
        )

    async def follow(self, story: Story, probe: Probe) -> None:
        """Attempt until the story has an end."""
        deadline = story.demand.timeout
        while (left := deadline - self._elapsed()) > LAST_MOMENT:
            limit = min(story.demand.probe_timeout, left)
            outcome = await self._attempt(story.check, probe, limit)
            if outcome is None and limit == left:
                story.expire(self._elapsed(), _silence(limit))
                return
            at = self._elapsed()
            story.observe(outcome or _silence(limit), at)
            if story.state is not State.PENDING:
                return
            due = at + story.pause(at, self._jitter())
            await asyncio.sleep(min(_on_tick(due, at), deadline) - at)
        story.expire(self._elapsed())

    async def try_once(self, story: Story, probe: Probe) -> None:
        """One attempt, which decides."""
        limit = story.demand.probe_timeout
        outcome = await self._attempt(story.check, probe, limit) or _silence(limit)
        story.observe(outcome, self._elapsed())
        if story.state is State.PENDING:
            story.expire(self._elapsed())

    async def _attempt(self, check: Check, probe: Probe, limit: float) -> Outcome | None:
        """The outcome of one attempt; None when it gave none within ``limit``."""
        async with self._gate:
            try:
                words = await within(limit, probe(limit))
            except asyncio.TimeoutError:
                return None
            except UnhealthyError as unhealthy:
                found = unhealthy.outcome
            else:
                found = Outcome(True, words)
        return Outcome(found.healthy, mask(found.words, check.target.secrets), found.answered, found.fatal)

    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started


def _on_tick(due: float, at: float) -> float:
    """A little before ``due``, together with others: one wake-up for several attempts costs much less than one each."""
    tick = due - due % TICK
    return tick if tick - at >= TICK else due


def _silence(limit: float) -> Outcome:
    return Outcome(False, f"no answer within {limit:.3g} s", answered=False)
