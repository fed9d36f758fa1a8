# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From states of units to systemctl calls."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandFailed, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._units.apply import apply
from ansible_collections.keelson.ops.plugins.module_utils._units.plan import decide
from ansible_collections.keelson.ops.plugins.module_utils._units.state import Wanted, parse_show

RUNNING = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nConditionResult=yes"
STOPPED = "LoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=disabled\nConditionResult=no"
MASKED = "LoadState=masked\nActiveState=inactive\nSubState=dead\nUnitFileState=masked"
MISSING = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState="
CRASHING = RUNNING.replace("active\nSubState=running", "activating\nSubState=auto-restart")
CONDITION = f"{STOPPED}\nConditionTimestampMonotonic=12345".replace("disabled", "enabled")
STALE = f"{RUNNING}\nNeedDaemonReload=yes"
STATIC = RUNNING.replace("enabled", "static")

UP = Wanted("a.service", enabled=True, started=True)
DOWN = Wanted("a.service", enabled=False, started=False)


@pytest.mark.parametrize(
    ("want", "shown", "verbs"),
    [
        (UP, RUNNING, []),
        (UP, STATIC, []),
        (UP, STOPPED, ["enable", "start"]),
        (UP, MASKED, ["unmask", "enable", "start"]),
        (UP, CRASHING, ["start"]),
        (UP, CONDITION, []),
        (UP, STALE, []),
        (DOWN, RUNNING, ["disable", "stop"]),
        (DOWN, STATIC, ["stop"]),
        (DOWN, STOPPED, []),
        (DOWN, MISSING, []),
        (Wanted("a.service"), STOPPED, []),
        (Wanted("a.service", started=True), STOPPED, ["start"]),
    ],
)
def test_only_what_differs_is_done(want: Wanted, shown: str, verbs: list[str]) -> None:
    plan = decide([want], parse_show(shown), tolerate_missing=False)

    assert [verb for verb, names in plan.actions.items() if names] == verbs
    assert plan.changed is bool(verbs)


def test_a_unit_whose_conditions_are_not_met_is_reported() -> None:
    assert decide([UP], parse_show(CONDITION), tolerate_missing=False).skipped == ("a.service",)


def test_a_missing_unit_is_an_error_unless_it_may_still_come() -> None:
    with pytest.raises(OpsError, match=r"a\.service is not installed"):
        decide([UP], parse_show(MISSING), tolerate_missing=False)

    assert decide([UP], parse_show(MISSING), tolerate_missing=True).actions["start"] == ("a.service",)


def test_units_of_one_verb_share_a_call_after_a_stale_one_is_read_again() -> None:
    wanted = [UP, Wanted("b.timer", enabled=True, started=True), Wanted("c.service", started=True)]
    plan = decide(wanted, parse_show("\n\n".join((STOPPED, STOPPED, STALE))), tolerate_missing=False)

    assert [command.argv[1:] for command in plan.commands()] == [
        ("daemon-reload",),
        ("enable", "--", "a.service", "b.timer"),
        ("start", "--", "a.service", "b.timer"),
    ]


class Host:
    """Answers each ``show`` with the next of the recorded states and notes every other call."""

    def __init__(self, *shown: str, start_fails: bool = False) -> None:
        self.shown = list(shown)
        self.start_fails = start_fails
        self.calls: list[str] = []

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        assert timeout, "no call may wait for ever"
        if command.argv[1] == "show":
            return CommandResult(command, 0, self.shown.pop(0), "", 0.0)
        if command.argv[0] == "journalctl":
            return CommandResult(command, 0, "bad option in line 3", "", 0.0)
        self.calls.append(command.argv[1])
        if self.start_fails and command.argv[1] == "start":
            raise CommandFailed(command, "exit code 1", 1)
        return CommandResult(command, 0, "", "", 0.0)


def test_check_mode_only_looks() -> None:
    host = Host(STOPPED)

    assert apply([UP], host, check_mode=True).changed
    assert host.calls == []


def test_nothing_is_called_when_all_is_as_wanted() -> None:
    host = Host(RUNNING)

    assert not apply([UP], host, check_mode=False).changed
    assert host.calls == []


@pytest.mark.parametrize("host", [Host(STOPPED, start_fails=True), Host(STOPPED, CRASHING)])
def test_a_unit_that_does_not_stay_up_fails_with_its_journal(host: Host) -> None:
    with pytest.raises(OpsError, match=r"a\.service: (.|\n)*bad option in line 3"):
        apply([UP], host, check_mode=False)


def test_a_start_that_the_conditions_forbid_is_no_failure() -> None:
    assert apply([UP], Host(STOPPED, CONDITION), check_mode=False).changed
