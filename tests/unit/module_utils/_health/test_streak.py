# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Successes in a row and pauses."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._health.outcome import Outcome
from ansible_collections.keelson.ops.plugins.module_utils._health.spec import Demand
from ansible_collections.keelson.ops.plugins.module_utils._health.streak import Streak

GOOD = Outcome(True, "fine")
BAD = Outcome(False, "answers 503")
GONE = Outcome(False, "connection refused", answered=False)


def demand(*, successes: int = 1, stable_for: float = 0.0, interval: float = 0.5) -> Demand:
    return Demand(timeout=60, interval=interval, probe_timeout=5, successes=successes, stable_for=stable_for)


def after(*outcomes: Outcome, step: float = 1.0) -> Streak:
    streak = Streak()
    for index, outcome in enumerate(outcomes):
        streak = streak.after(outcome, index * step)
    return streak


@pytest.mark.parametrize(
    ("outcomes", "successes", "met"),
    [
        ([], 1, False),
        ([GOOD], 1, True),
        ([GOOD, BAD], 1, False),
        ([GOOD, GOOD], 3, False),
        ([GOOD, GOOD, GOOD], 3, True),
        ([GOOD, GOOD, BAD, GOOD], 3, False),
        ([GOOD, GOOD, BAD, GOOD, GOOD, GOOD], 3, True),
    ],
)
def test_only_successes_in_a_row_count(outcomes: list[Outcome], successes: int, met: bool) -> None:
    assert after(*outcomes).satisfies(demand(successes=successes), len(outcomes) - 1) is met


def test_stability_counts_from_the_first_success_after_the_last_failure() -> None:
    streak = after(GOOD, BAD, GOOD, GOOD)
    assert not streak.satisfies(demand(stable_for=2), 3.9)
    assert streak.satisfies(demand(stable_for=2), 4.0)


def test_failures_back_off_up_to_the_interval() -> None:
    pauses = [after(*[GONE] * count).pause(demand(interval=2), count, 0.0) for count in range(1, 12)]
    assert pauses[0] == pytest.approx(0.1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2


def test_a_target_that_begins_to_answer_is_asked_quickly_again() -> None:
    far = after(*[GONE] * 20)
    assert far.pause(demand(interval=10), 0, 0.0) == 10
    assert far.after(BAD, 21).pause(demand(interval=10), 21, 0.0) == pytest.approx(0.1)


def test_jitter_spreads_the_growing_pauses_and_never_lengthens_one() -> None:
    early, late = after(GONE, GONE), after(*[GONE] * 50)
    assert early.pause(demand(), 0, 0.0) == pytest.approx(0.2)
    assert early.pause(demand(), 0, 0.5) == pytest.approx(0.15)
    assert late.pause(demand(), 0, 0.0) == late.pause(demand(), 0, 0.9) == 0.5


def test_a_very_long_wait_does_not_overflow() -> None:
    assert after(*[GONE] * 5000).pause(demand(interval=3600), 0, 0.0) == 3600


def test_missing_successes_are_collected_quickly_and_stability_ends_on_time() -> None:
    assert after(GOOD).pause(demand(successes=3, interval=5), 0, 0.5) == pytest.approx(0.1)
    assert after(GOOD).pause(demand(stable_for=7, interval=5), 0, 0.5) == 5
    assert after(GOOD).pause(demand(stable_for=7, interval=5), 5, 0.5) == pytest.approx(2)


def test_what_a_streak_lacks_is_said() -> None:
    assert after(GOOD).shortfall(demand(successes=3), 0) == "only 1 of 3 successes in a row"
    assert after(GOOD).shortfall(demand(stable_for=30), 12.5) == "healthy for only 12.5 of 30 s (stable_for)"
