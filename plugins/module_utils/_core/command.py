# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands are data: argument lists built by pure functions, run by one runner. No shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .errors import OpsError
from .masking import mask

TAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Command:
    """One program run.

    ``env`` is added to the runner's environment. ``secrets`` are masked in every text made from the run;
    hand them to the program by ``env`` or ``stdin``, never in ``argv``.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes | None = field(default=None, repr=False)
    cwd: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return mask(shlex.join(self.argv), self.secrets)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a finished program left: ``stdout`` and ``stderr`` are decoded, never masked; ``seconds`` is wall time."""

    command: Command
    rc: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    seconds: float


class CommandFailed(OpsError):
    """A program was missing, ran into its time limit or exited with a code other than 0."""

    def __init__(self, command: Command, reason: str, rc: int | None = None, stderr: str = "") -> None:
        tail = mask(stderr.strip()[-TAIL_CHARACTERS:], command.secrets)
        message = f"{command.argv[0]}: {reason}" + (f": {tail}" if tail else "")
        super().__init__(message, command=str(command), rc=rc, stderr=tail)


class Runner(Protocol):
    """Runs commands; the engines never start a process by themselves."""

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        """Run to the end; ``timeout`` in seconds.

        Raises CommandFailed for a missing program, at the time limit, and with ``check`` for an exit code other than 0.
        """


class SubprocessRunner:
    """Runs commands as child processes of this one, in the C locale so that messages are stable."""

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        started = time.monotonic()
        try:
            done = subprocess.run(
                command.argv,
                input=command.stdin,
                stdin=subprocess.DEVNULL if command.stdin is None else None,
                capture_output=True,
                cwd=command.cwd,
                env={**os.environ, "LC_ALL": "C.UTF-8", **command.env},
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError as error:
            raise CommandFailed(command, f"cannot be run ({error.strerror}: {error.filename})") from None
        except PermissionError as error:
            raise CommandFailed(command, f"cannot be run ({error.strerror})") from None
        except subprocess.TimeoutExpired as expired:
            stderr = (expired.stderr or b"").decode(errors="replace")
            raise CommandFailed(command, f"still running after {timeout:g} s, stopped", stderr=stderr) from None
        result = CommandResult(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
            time.monotonic() - started,
        )
        if check and result.rc != 0:
            raise CommandFailed(command, f"exit code {result.rc}", result.rc, result.stderr or result.stdout)
        return result
