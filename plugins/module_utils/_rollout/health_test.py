# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking containers for their own health check, soon after it can pass and without starving what boots."""

from __future__ import annotations

import threading

from .._core.clock import Clock
from .runtime import Container, Engine
from .sockets import Listening

RETRY_SECONDS = 0.3
UNHEARD_SECONDS = 1.0
SOON_SECONDS = 0.1
"""Once a container is ready, those that were started with it are about to be."""
LOOK_SECONDS = 0.1
LISTEN_SECONDS = 0.03
"""Who listens is looked at often, as that costs next to nothing."""
BRIEF_SECONDS = 0.3
POLL_SECONDS = 0.04
"""A check that was begun is looked at often for a moment, as most don't take longer; that takes Docker some work."""


class Pace:
    """What the health checks of containers that were started together know of each other."""

    def __init__(self) -> None:
        self.one_passed = False
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, container: Container, now: float, *, alone: bool = False) -> bool:
        """The check of a container begins; ``alone`` only if no other is at work but for long."""
        with self._lock:
            if alone and any(now - begun < UNHEARD_SECONDS for begun in self._begun.values()):
                return False
            self._begun[container.id] = now
            return True

    def end(self, container: Container, *, passed: bool) -> None:
        """It has ended."""
        with self._lock:
            self._begun.pop(container.id, None)
        self.one_passed = self.one_passed or passed


class HealthTest:
    """A container's own health check, asked without a pause: Docker itself waits for an interval before each.

    Each is a program that takes processor time from what boots. So it is asked when somebody begins to listen in the
    container, and else again after ``RETRY_SECONDS``, as long as nobody listens only after ``UNHEARD_SECONDS`` or, when
    it publishes ports, not at all; of containers that were started together one after the other. When one of them has
    passed, the others are asked again and again.
    """

    def __init__(self, engine: Engine, clock: Clock, listening: Listening, pace: Pace) -> None:
        self._engine = engine
        self._clock = clock
        self._listening = listening
        self._pace = pace
        self._heard: frozenset[str] | None = frozenset()
        self._ended = clock.monotonic() + RETRY_SECONDS - UNHEARD_SECONDS
        self._test: str | None = None

    def passes(self, container: Container) -> bool:
        """Whether the test begun by a call before has passed meanwhile; begins one when it is time."""
        if self._test is None and self._comes_due(container):
            self._test, self._ended = self._engine.begin_health_test(container.id), self._clock.monotonic()
            if self._test is None:
                self._pace.end(container, passed=False)
        passed = self._result()
        if passed is None:
            return False
        self._test, self._ended = None, self._clock.monotonic()
        self._pace.end(container, passed=passed)
        return passed

    def _result(self) -> bool | None:
        """What the test under way came to; None when there is none, or it lasts."""
        if self._test is None:
            return None
        deadline = self._clock.monotonic() + BRIEF_SECONDS
        while (passed := self._engine.health_test(self._test)) is None and self._clock.monotonic() < deadline:
            self._clock.sleep(POLL_SECONDS)
        return passed

    def is_met(self) -> None:
        """Docker itself has found the container healthy."""
        self._pace.one_passed = True

    def _comes_due(self, container: Container) -> bool:
        """Whether it is time for a test now or in a moment; the pace then knows of it."""
        deadline = self._clock.monotonic() + LOOK_SECONDS
        while not self._is_due(container, now := self._clock.monotonic()):
            if self._heard is None or now >= deadline:
                return False
            self._clock.sleep(LISTEN_SECONDS)
        return True

    def _is_due(self, container: Container, now: float) -> bool:
        before, self._heard = self._heard, self._listening(container.pid)
        if self._heard is not None and self._heard != before:
            return self._pace.begin(container, now)
        silent = self._heard == frozenset()
        if silent and container.bindings:
            return False
        if self._pace.one_passed:
            return now - self._ended >= SOON_SECONDS and self._pace.begin(container, now)
        pause = UNHEARD_SECONDS if silent else RETRY_SECONDS
        return now - self._ended >= pause and self._pace.begin(container, now, alone=True)
