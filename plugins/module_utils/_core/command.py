# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands are data: argument lists built by pure functions, run by one runner. No shell."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .errors import OpsError
from .masking import mask

TAIL_CHARACTERS = 2000
TERM_SECONDS = 5.0
KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """One program run.

    ``env`` is added to the runner's environment. ``stdin`` may be a function that waits for what the program, which is
    started meanwhile, is to read. ``secrets`` are masked in every text made from the run;
    hand them to the program by ``env`` or ``stdin``, never in ``argv``.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes | Callable[[], bytes] | None = field(default=None, repr=False)
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
        # Masked before it is cut: half a secret is found by no search.
        tail = mask(stderr, command.secrets).strip()[-TAIL_CHARACTERS:]
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
        process = _start(command)
        try:
            given = command.stdin() if callable(command.stdin) else command.stdin
            stdout, stderr = process.communicate(given, timeout)
        except subprocess.TimeoutExpired as expired:
            _end(process)
            said = (expired.stderr or b"").decode(errors="replace")
            raise CommandFailed(command, f"still running after {timeout:g} s, stopped", stderr=said) from None
        except BaseException:
            _end(process)
            raise
        result = CommandResult(
            command,
            process.returncode,
            stdout.decode(errors="replace"),
            stderr.decode(errors="replace"),
            time.monotonic() - started,
        )
        if check and result.rc != 0:
            raise CommandFailed(command, f"exit code {result.rc}", result.rc, result.stderr or result.stdout)
        return result


def _start(command: Command) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **command.env},
            start_new_session=True,  # a group of its own, so that what the program started can be ended with it
        )
    except FileNotFoundError as error:
        raise CommandFailed(command, f"cannot be run ({error.strerror}: {error.filename})") from None
    except PermissionError as error:
        raise CommandFailed(command, f"cannot be run ({error.strerror})") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and its children: politely, then for good.

    What left their group may hold its pipes for ever; that is not waited for.
    """
    for number, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=patience)
            return
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
