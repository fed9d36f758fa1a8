# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is and what is wanted to the systemctl calls between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.command import Command
from .._core.errors import OpsError
from .state import UnitState, Wanted

VERBS = ("unmask", "enable", "disable", "start", "stop")


@dataclass(frozen=True, slots=True)
class UnitsPlan:
    """``actions`` maps a systemctl verb to its units; ``skipped`` units have conditions this host does not meet."""

    actions: Mapping[str, tuple[str, ...]]
    daemon_reload: bool
    skipped: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return any(self.actions.values())

    def commands(self) -> tuple[Command, ...]:
        """The calls in the order they are made, one for all units of a verb."""
        reload = [Command(("systemctl", "daemon-reload"))] if self.daemon_reload else []
        verbs = [Command(("systemctl", verb, "--", *self.actions[verb])) for verb in VERBS if self.actions[verb]]
        return (*reload, *verbs)


def decide(wanted: Sequence[Wanted], states: Sequence[UnitState], *, tolerate_missing: bool) -> UnitsPlan:
    """What has to be done.

    ``tolerate_missing`` plans for a unit that is not installed as if it were installed and stopped (check mode on a
    bare host). Raises OpsError for a unit that does not exist and should run or be enabled.
    """
    actions: dict[str, list[str]] = {verb: [] for verb in VERBS}
    skipped = []
    for want, state in zip(wanted, states, strict=True):
        if not state.exists and (want.enabled or want.started) and not tolerate_missing:
            raise OpsError(f"unit {want.name} is not installed on this host", unit=want.name)
        if state.condition_failed and want.started and not state.running:
            skipped.append(want.name)
        for verb in _verbs(want, state):
            actions[verb].append(want.name)
    stale = any(state.stale for state in states)
    return UnitsPlan({verb: tuple(names) for verb, names in actions.items()}, stale, tuple(skipped))


def _verbs(want: Wanted, state: UnitState) -> list[str]:
    verbs = []
    if state.load == "masked" and (want.enabled or want.started):
        verbs.append("unmask")
    if want.enabled is True and not state.enabled:
        verbs.append("enable")
    if want.enabled is False and state.file in ("enabled", "enabled-runtime", "linked"):
        verbs.append("disable")
    if want.started is True and not state.running and not state.condition_failed:
        verbs.append("start")
    if want.started is False and state.active not in ("inactive", "failed", ""):
        verbs.append("stop")
    return verbs
