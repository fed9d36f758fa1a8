# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One check from its first attempt to its end: state, counts and a bounded timeline. Pure."""

from __future__ import annotations

from .outcome import Outcome
from .report import CheckReport, Event, State
from .spec import Check, Demand
from .streak import Streak

HALF_TIMELINE = 8


class Story:
    """What has been seen of ``check``; times are seconds since the wait began."""

    def __init__(self, check: Check, demand: Demand) -> None:
        self.check = check
        self.demand = demand
        self.state = State.PENDING
        self._streak = Streak()
        self._attempts = 0
        self._error = ""
        self._healthy_at: float | None = None
        self._early: list[Event] = []
        self._late: list[Event] = []
        self._skipped = 0

    def observe(self, outcome: Outcome, at: float) -> None:
        """Take in one attempt that ended ``at``."""
        self._attempts += 1
        self._streak = self._streak.after(outcome, at)
        self._record(outcome, at)
        if not outcome.healthy:
            self._error = outcome.words
            if outcome.fatal:
                self.state = State.FAILED
        elif self._streak.satisfies(self.demand, at):
            self.state = State.HEALTHY
            self._healthy_at = at

    def expire(self, at: float, cut: Outcome | None = None) -> None:
        """The time is over. ``cut``: an attempt ended early by that; it counts when nothing better is known."""
        self.state = State.UNHEALTHY
        if self._streak.successes:
            before = f"; before that: {self._error}" if self._error else ""
            self._error = self._streak.shortfall(self.demand, at) + before
        elif cut is not None:
            self._error = self._error or cut.words
        self._attempts += cut is not None

    def pause(self, at: float, jitter: float) -> float:
        """Seconds until the next attempt."""
        return self._streak.pause(self.demand, at, jitter)

    def report(self) -> CheckReport:
        """The story so far."""
        return CheckReport(
            name=self.check.name,
            kind=self.check.target.kind,
            target=str(self.check.target),
            state=self.state,
            attempts=self._attempts,
            seconds=self._healthy_at,
            error=self._error,
            timeline=(*self._early, *self._late),
            skipped=self._skipped,
        )

    def _record(self, outcome: Outcome, at: float) -> None:
        events = self._late or self._early
        if events and (events[-1].healthy, events[-1].words) == (outcome.healthy, outcome.words):
            last = events[-1]
            events[-1] = Event(last.at, last.healthy, last.words, last.attempts + 1)
            return
        events = self._early if len(self._early) < HALF_TIMELINE else self._late
        events.append(Event(at, outcome.healthy, outcome.words))
        if len(self._late) > HALF_TIMELINE:
            del self._late[0]
            self._skipped += 1
