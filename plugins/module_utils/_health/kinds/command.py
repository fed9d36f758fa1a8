# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command: a program that exits with an expected code, and optionally prints what is expected."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._core.command import Command, CommandFailed
from ..._core.errors import OpsError
from ..options import Declarations, compile_regex
from ..outcome import UnhealthyError
from ..resources import Resources
from ..spec import Probe
from ..threads import Serial

OPTIONS: Declarations = {
    "argv": {"type": "list", "elements": "str", "required": True},
    "rc": {"type": "list", "elements": "int", "default": [0]},
    "stdout": {"type": "str"},
    "chdir": {"type": "path"},
}


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """``argv`` run without a shell; ``stdout`` is searched in what it prints."""

    kind: ClassVar[str] = "command"

    argv: tuple[str, ...]
    rc: tuple[int, ...] = (0,)
    stdout: re.Pattern[str] | None = None
    chdir: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return shlex.join(self.argv)


def parse(options: Mapping[str, Any], where: str) -> CommandTarget:
    """The target that ``options`` describe. Raises OpsError."""
    if not options["argv"]:
        raise OpsError(f"{where}.argv: must name a program")
    return CommandTarget(
        argv=options["argv"],
        rc=options["rc"],
        stdout=None if options["stdout"] is None else compile_regex(options["stdout"], f"{where}.stdout"),
        chdir=options["chdir"],
    )


def make_probe(target: CommandTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""
    serial = Serial(resources.threads, finish=True)
    command = Command(argv=target.argv, cwd=target.chdir)

    def run(limit: float) -> str:
        try:
            result = resources.runner.run(command, timeout=limit, check=False)
        except CommandFailed as error:
            raise UnhealthyError(error.message, answered=False) from None
        said = (result.stderr.strip() or result.stdout.strip())[-200:]
        if result.rc not in target.rc:
            expected = " or ".join(map(str, target.rc))
            raise UnhealthyError(f"exit code {result.rc}, expected {expected}" + (f": {said}" if said else ""))
        if target.stdout and not target.stdout.search(result.stdout):
            raise UnhealthyError(
                f"prints {result.stdout.strip()[:200]!r}, which does not match {target.stdout.pattern}"
            )
        return f"exit code {result.rc}"

    async def attempt(limit: float) -> str:
        return await serial.run(lambda: run(limit))

    return attempt
