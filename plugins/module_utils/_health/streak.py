# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Successes in a row, and the pause before the next attempt. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .outcome import Outcome
from .spec import Demand

SHORTEST_PAUSE = 0.1
GROWTH = 2.0
JITTER = 0.5


@dataclass(frozen=True, slots=True)
class Streak:
    """Successes since the last failure, and failures since the target last came nearer to being healthy."""

    successes: int = 0
    since: float = 0.0
    misses: int = 0
    answered: bool = False

    def after(self, outcome: Outcome, at: float) -> Streak:
        """The streak with one more attempt, finished at ``at``."""
        if outcome.healthy:
            return Streak(self.successes + 1, self.since if self.successes else at, 0, True)
        nearer = outcome.answered and not self.answered
        return Streak(0, 0.0, 1 if nearer or self.successes else self.misses + 1, outcome.answered)

    def satisfies(self, demand: Demand, at: float) -> bool:
        """Whether the demand is met by what was seen until ``at``."""
        return self.successes >= max(1, demand.successes) and at - self.since >= demand.stable_for

    def shortfall(self, demand: Demand, at: float) -> str:
        """In words, what a streak of successes lacks."""
        if self.successes < demand.successes:
            return f"only {self.successes} of {demand.successes} successes in a row"
        return f"healthy for only {at - self.since:.1f} of {demand.stable_for:g} s (stable_for)"

    def pause(self, demand: Demand, at: float, jitter: float) -> float:
        """Seconds until the next attempt; ``jitter`` in [0, 1) only ever shortens it.

        Failures back off from a tenth of a second up to the interval, and start over when the target begins to
        answer. Only pauses that still grow are jittered, which is enough to spread checks that began together. A
        streak that lacks successes goes on quickly; one that lacks time ends exactly when that is over.
        """
        if self.successes:
            if self.successes < demand.successes:
                return min(demand.interval, SHORTEST_PAUSE)
            return max(SHORTEST_PAUSE / 100, min(demand.interval, self.since + demand.stable_for - at))
        grown = SHORTEST_PAUSE * GROWTH ** min(max(self.misses - 1, 0), 64)
        return demand.interval if grown >= demand.interval else grown * (1 - JITTER * jitter)
