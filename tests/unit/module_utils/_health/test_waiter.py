# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waiter's decisions over time, on a loop where an hour takes a millisecond."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._health import waiter
from ansible_collections.keelson.ops.plugins.module_utils._health.outcome import UnhealthyError
from ansible_collections.keelson.ops.plugins.module_utils._health.report import State, WaitReport
from ansible_collections.keelson.ops.plugins.module_utils._health.spec import Check, Policy, Probe

from tests.unit.module_utils._health.virtual_time import LoopClock, run

Story = Callable[[float], str]
"""What a target says at a time since the start; raises like a probe."""


@dataclass(frozen=True)
class Target:
    """A target that follows a script."""

    kind: ClassVar[str] = "script"

    story: Story
    takes: float = 0.0
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "scripted"


def probes(check: Check) -> Probe:
    target = check.target
    assert isinstance(target, Target)

    async def attempt(limit: float) -> str:
        await asyncio.sleep(target.takes)
        return target.story(asyncio.get_running_loop().time())

    return attempt


def healthy_from(ready: float, *, until: float = 1e9) -> Story:
    def story(now: float) -> str:
        if not ready <= now < until:
            raise UnhealthyError("connection refused", answered=False)
        return "fine"

    return story


def dies_at(end: float) -> Story:
    def story(now: float) -> str:
        raise UnhealthyError("killed: out of memory" if now >= end else "starting", fatal=now >= end)

    return story


def never(now: float) -> str:
    raise UnhealthyError("answers 503")


def wait(policy: Policy, **stories: Story | Check) -> WaitReport:
    checks = [s if isinstance(s, Check) else Check(name, Target(s)) for name, s in stories.items()]
    return run(waiter.wait(checks, policy, LoopClock(), probes))


def states(report: WaitReport) -> dict[str, str]:
    return {check.name: check.state.value for check in report.checks}


@pytest.mark.parametrize("ready", [0.0, 0.3, 1.7, 12.0, 29.9, 600.0])
def test_what_becomes_ready_is_seen_within_half_a_second(ready: float) -> None:
    report = wait(Policy(timeout=3600), one=healthy_from(ready))
    assert report.ok
    assert ready <= report.checks[0].seconds <= ready + 0.5
    assert report.checks[0].attempts <= 6 + ready / 0.4


def test_many_are_followed_at_once() -> None:
    report = wait(Policy(timeout=60), **{f"c{n}": healthy_from(0.3 * n) for n in range(100)})
    assert report.ok
    assert report.seconds <= 29.7 + 0.5
    assert all(0.3 * n <= check.seconds <= 0.3 * n + 0.5 for n, check in enumerate(report.checks))


def test_all_must_be_healthy_by_default_and_the_message_says_which_are_not() -> None:
    report = wait(Policy(timeout=10), good=healthy_from(1), bad=never)
    assert not report.ok
    assert report.seconds == pytest.approx(10)
    assert states(report) == {"good": "healthy", "bad": "unhealthy"}
    assert report.message.splitlines()[0] == "1 of 2 checks healthy after 10.0 s; not healthy:"
    assert "- bad (script scripted): answers 503 [" in report.message


def test_any_ends_with_the_first_healthy_one() -> None:
    report = wait(Policy(timeout=60, require="any"), slow=healthy_from(50), quick=healthy_from(2), bad=never)
    assert report.ok
    assert report.seconds <= 2.5
    assert states(report) == {"slow": "pending", "quick": "healthy", "bad": "pending"}


def test_a_number_is_enough() -> None:
    stories = {"a": healthy_from(1), "b": healthy_from(2), "c": healthy_from(40)}
    report = wait(Policy(timeout=60, require=2), **stories)
    assert report.ok
    assert report.seconds <= 2.5
    assert report.message.startswith("2 of 3 checks healthy (2 needed) after")


def test_a_fatal_failure_ends_the_wait_at_once_when_all_are_needed() -> None:
    report = wait(Policy(timeout=600), slow=healthy_from(300), dead=dies_at(3))
    assert not report.ok
    assert report.seconds <= 3.5
    assert states(report) == {"slow": "pending", "dead": "failed"}
    assert report.message.splitlines()[1].startswith("- dead (script scripted): killed: out of memory [")


def test_a_fatal_failure_is_borne_while_enough_others_can_become_healthy() -> None:
    stories = {"dead": dies_at(1), "a": healthy_from(5), "b": healthy_from(9)}
    assert wait(Policy(timeout=60, require=2), **stories).ok
    failed = wait(Policy(timeout=60, require=2), dead=dies_at(1), gone=dies_at(2), a=healthy_from(50))
    assert not failed.ok
    assert failed.seconds <= 2.5


def test_successes_in_a_row_start_over_after_a_failure() -> None:
    flapping = [True, True, False, True, True, True]

    def story(now: float) -> str:
        if flapping and not flapping.pop(0):
            raise UnhealthyError("flaps")
        return "fine"

    report = wait(Policy(timeout=60, successes=3), one=story)
    assert report.ok
    assert report.checks[0].attempts == 6
    assert [(event.healthy, event.attempts) for event in report.checks[0].timeline] == [
        (True, 2),
        (False, 1),
        (True, 3),
    ]


def test_stability_is_waited_for_and_restarts_after_a_failure() -> None:
    def story(now: float) -> str:
        if now < 1 or 5 <= now < 6:
            raise UnhealthyError("down")
        return "up"

    report = wait(Policy(timeout=60, stable_for=10), one=story)
    assert report.ok
    assert 16 <= report.seconds <= 16.6


def test_what_is_healthy_too_late_says_what_it_lacked() -> None:
    report = wait(Policy(timeout=10, stable_for=8), one=healthy_from(5))
    assert not report.ok
    assert "of 8 s (stable_for); before that: connection refused" in report.checks[0].error


def test_a_check_may_have_less_time_than_all() -> None:
    hasty = Check("hasty", Target(never), timeout=3)
    report = wait(Policy(timeout=60), hasty=hasty, other=healthy_from(20))
    assert not report.ok
    assert report.seconds == pytest.approx(3)


def test_a_silent_target_is_given_up_after_the_probe_timeout_and_tried_again() -> None:
    silent = Check("silent", Target(healthy_from(0), takes=1000))
    report = wait(Policy(timeout=60, probe_timeout=5), silent=silent)
    assert report.checks[0].error == "no answer within 5 s"
    assert 10 <= report.checks[0].attempts <= 12


def test_an_attempt_cut_by_the_deadline_does_not_hide_the_reason_before_it() -> None:
    def first_refuses_then_hangs(limit: float) -> Check:
        tries: list[int] = []

        class Hanging(Target):
            @property
            def takes(self) -> float:
                tries.append(1)
                return 0.0 if len(tries) < 3 else 1000.0

            @takes.setter
            def takes(self, value: float) -> None: ...

        return Check("one", Hanging(never))

    report = wait(Policy(timeout=4, probe_timeout=30), one=first_refuses_then_hangs(4))
    assert report.checks[0].error == "answers 503"
    assert report.seconds == pytest.approx(4)


def test_secrets_are_masked_in_everything_that_is_said() -> None:
    def story(now: float) -> str:
        if now < 1:
            raise UnhealthyError("echoes hunter2-hunter2")
        return "welcome hunter2-hunter2"

    report = wait(Policy(timeout=5), one=Check("one", Target(story, secrets=("hunter2-hunter2",))))
    assert report.ok
    assert "hunter2" not in repr(report)
    assert report.checks[0].timeline[-1].words == "welcome ********"


def test_the_timeline_is_bounded_and_keeps_both_ends() -> None:
    def story(now: float) -> str:
        raise UnhealthyError(f"answer {now:.3f}")

    check = wait(Policy(timeout=300), one=story).checks[0]
    assert len(check.timeline) == 16
    assert check.timeline[0].at == 0
    assert check.timeline[-1].words == check.error
    assert check.skipped == check.attempts - 16


def test_an_error_of_our_own_is_not_mistaken_for_an_unhealthy_target() -> None:
    def story(now: float) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wait(Policy(), one=story, other=never)


def test_a_kind_that_cannot_run_here_is_refused_before_waiting() -> None:
    def refuse(check: Check) -> Probe:
        raise OpsError("the Python library psycopg2 is missing")

    with pytest.raises(OpsError, match="psycopg2"):
        run(waiter.wait([Check("one", Target(never))], Policy(), LoopClock(), refuse))


def test_looking_once_decides_by_a_single_attempt() -> None:
    checks = [Check("good", Target(healthy_from(0)), successes=5, stable_for=60), Check("bad", Target(never))]
    report = run(waiter.look(checks, Policy(successes=3), LoopClock(), probes))
    assert [check.attempts for check in report.checks] == [1, 1]
    assert [check.state for check in report.checks] == [State.HEALTHY, State.UNHEALTHY]
    assert report.seconds == 0
    assert not report.ok


def test_facts_are_plain_values() -> None:
    facts = wait(Policy(timeout=2), good=healthy_from(1), bad=never).facts()
    good, bad = facts["checks"]
    assert good["state"] == "healthy"
    assert 1 <= good["seconds"] <= 1.5
    assert bad["seconds"] is None
    assert bad["timeline"] == [
        {"seconds": 0.0, "healthy": False, "message": "answers 503", "attempts": bad["attempts"]}
    ]
