# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd: a unit is active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._core.command import Command, CommandFailed
from ..._core.errors import OpsError
from ..options import Declarations
from ..outcome import UnhealthyError
from ..resources import Resources
from ..restarts import Restarts
from ..spec import Probe
from ..threads import Serial

OPTIONS: Declarations = {
    "unit": {"type": "str", "required": True},
    "fail_fast": {
        "type": "list",
        "elements": "str",
        "choices": ["failed", "missing", "restart_loop"],
        "default": ["failed", "missing", "restart_loop"],
    },
}
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus")


@dataclass(frozen=True, slots=True)
class SystemdTarget:
    """A unit of the system manager; ``fail_fast`` lists what is final instead of worth waiting for."""

    kind: ClassVar[str] = "systemd"

    unit: str
    fail_fast: tuple[str, ...] = ("failed", "missing", "restart_loop")

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return self.unit


def parse(options: Mapping[str, Any], where: str) -> SystemdTarget:
    """The target that ``options`` describe. Raises OpsError."""
    unit = options["unit"]
    if not unit or unit.startswith("-") or "/" in unit or any(c.isspace() for c in unit):
        raise OpsError(f"{where}.unit: not a unit name: {unit!r}")
    return SystemdTarget(unit if "." in unit else f"{unit}.service", options["fail_fast"])


def show(unit: str) -> Command:
    """The command that prints the unit's properties as KEY=VALUE lines."""
    return Command(("systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", unit))


def judge(output: str, target: SystemdTarget, restarts: Restarts) -> str:
    """What the unit's properties mean, in words. Raises UnhealthyError."""
    found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        words = f"unit {target.unit} is {found.get('LoadState', 'unknown').replace('-', ' ')}"
        raise UnhealthyError(words, answered=False, fatal="missing" in target.fail_fast)
    active = found.get("ActiveState", "unknown")
    if active == "failed":
        words = f"failed: {found.get('Result')}, exit status {found.get('ExecMainStatus')}"
        raise UnhealthyError(words, fatal="failed" in target.fail_fast)
    restarts.check(int(found.get("NRestarts") or 0), fail_fast="restart_loop" in target.fail_fast)
    state = f"{active} ({found.get('SubState', '')})"
    if active not in ("active", "reloading"):
        raise UnhealthyError(f"is {state}", answered=active == "activating")
    return state


def make_probe(target: SystemdTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""
    serial = Serial(resources.threads, finish=True)
    restarts = Restarts()

    def run(limit: float) -> str:
        try:
            result = resources.runner.run(show(target.unit), timeout=limit)
        except CommandFailed as error:
            raise UnhealthyError(error.message, answered=False) from None
        return judge(result.stdout, target, restarts)

    async def attempt(limit: float) -> str:
        return await serial.run(lambda: run(limit))

    return attempt
