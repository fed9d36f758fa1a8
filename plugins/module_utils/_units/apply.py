# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the units, applies the plan, and makes sure that what should run does run."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .plan import UnitsPlan, decide
from .state import UnitState, Wanted, parse_show, show_command

JOURNAL_LINES = "15"
READ_SECONDS = 60.0
"""For calls that only ask."""
ACT_SECONDS = 1800.0
"""For calls that wait for units, each of which has a time limit of its own for starting and stopping."""


def apply(wanted: Sequence[Wanted], runner: Runner, *, check_mode: bool) -> UnitsPlan:
    """Bring all units to their wanted states and return what was done (in check mode: what would be).

    Raises OpsError with the unit's last journal lines when one does not start.
    """
    if not wanted:
        return decide((), (), tolerate_missing=True)
    plan = decide(wanted, _read(wanted, runner), tolerate_missing=check_mode)
    if check_mode or not plan.changed:
        if plan.daemon_reload and not check_mode:
            runner.run(Command(("systemctl", "daemon-reload")), timeout=ACT_SECONDS)
        return plan
    for command in plan.commands():
        try:
            runner.run(command, timeout=ACT_SECONDS)
        except CommandFailed as error:
            if command.argv[1] != "start":
                raise
            raise _not_running(command.argv[3:], error.message, runner) from None
    states = dict(zip(wanted, _read(wanted, runner), strict=True))
    dead = [want.name for want, state in states.items() if want.started and not _as_wanted(state)]
    if dead:
        raise _not_running(dead, "not running after its start", runner)
    return plan


def _as_wanted(state: UnitState) -> bool:
    return state.running or state.condition_failed


def _read(wanted: Sequence[Wanted], runner: Runner) -> list[UnitState]:
    return parse_show(runner.run(show_command([want.name for want in wanted]), timeout=READ_SECONDS).stdout)


def _not_running(names: Sequence[str], reason: str, runner: Runner) -> OpsError:
    unit_options = [option for name in names for option in ("--unit", name)]
    journal = runner.run(
        Command(("journalctl", "--no-pager", "--output=cat", "--lines", JOURNAL_LINES, *unit_options)),
        timeout=READ_SECONDS,
        check=False,
    )
    return OpsError(f"{', '.join(names)}: {reason}\n{journal.stdout.strip()}", units=list(names))
