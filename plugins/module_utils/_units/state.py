# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says about units, and what a task wants of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._core.command import Command

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "ConditionResult",
    "ConditionTimestampMonotonic",
    "NeedDaemonReload",
)
ENABLED = frozenset(("enabled", "enabled-runtime", "static", "generated", "indirect", "alias", "linked", "transient"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """One unit of the option ``units``; None leaves that side alone."""

    name: str
    enabled: bool | None = None
    started: bool | None = None


@dataclass(frozen=True, slots=True)
class UnitState:
    """One unit as systemd reports it."""

    load: str
    active: str
    sub: str
    file: str
    condition_failed: bool
    stale: bool

    @property
    def exists(self) -> bool:
        return self.load not in ("not-found", "")

    @property
    def enabled(self) -> bool:
        return self.file in ENABLED

    @property
    def running(self) -> bool:
        """Active or on the way there; a service that systemd keeps restarting is not."""
        return self.active in ("active", "reloading", "refreshing") or (
            self.active == "activating" and self.sub != "auto-restart"
        )


def show_command(names: Sequence[str]) -> Command:
    """The one call that reads all units."""
    return Command(("systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *names))


def parse_show(text: str) -> list[UnitState]:
    """The output of `show_command`: one block of properties a unit, in the order asked for."""
    return [_parse_block(block) for block in text.strip().split("\n\n")]


def _parse_block(block: str) -> UnitState:
    fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    checked = fields.get("ConditionTimestampMonotonic", "0") not in ("", "0")
    return UnitState(
        load=fields.get("LoadState", ""),
        active=fields.get("ActiveState", ""),
        sub=fields.get("SubState", ""),
        file=fields.get("UnitFileState", ""),
        condition_failed=checked and fields.get("ConditionResult") == "no",
        stale=fields.get("NeedDaemonReload") == "yes",
    )
