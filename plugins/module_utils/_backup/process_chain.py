# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs joined by pipes, of which every one must succeed; what they say is kept in bounded space."""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from .._core.command import TAIL_CHARACTERS, Command, CommandFailed
from .._core.errors import OpsError

_BROKEN_PIPE = frozenset({-signal.SIGPIPE, 128 + signal.SIGPIPE})
STOP_SECONDS = 10.0


class Process:
    """One running program whose stderr is drained into a bounded tail."""

    def __init__(self, command: Command, *, stdin: int | IO[bytes], stdout: int | IO[bytes]) -> None:
        self.command = command
        try:
            self._popen = subprocess.Popen(
                command.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                cwd=command.cwd,
                env={**os.environ, "LC_ALL": "C.UTF-8", **command.env},
            )
        except OSError as error:
            raise CommandFailed(command, f"cannot be run ({error.strerror})") from None
        self.stdin = self._popen.stdin
        self.stdout = self._popen.stdout
        self._tail = b""
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    def wait(self) -> int:
        """The exit code; stderr is complete afterwards."""
        code = self._popen.wait()
        self._drain.join(STOP_SECONDS)
        return code

    def failure(self) -> CommandFailed | None:
        """Wait, then tell what went wrong."""
        code = self.wait()
        if code == 0:
            return None
        reason = f"stopped by signal {-code}" if code < 0 else f"exit code {code}"
        return CommandFailed(self.command, reason, code, self._tail.decode(errors="replace"))

    def stop(self) -> None:
        """End it, politely first, and free its pipes: only then, as another thread may be reading one."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self.wait()
        for stream in (self.stdin, self.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _read_stderr(self) -> None:
        stream = self._popen.stderr
        if stream is None:
            return
        while block := stream.read1(4096):  # type: ignore[attr-defined]
            self._tail = (self._tail + block)[-4 * TAIL_CHARACTERS :]
        stream.close()


class ProcessChain:
    """``commands`` joined by pipes. The first reads ``feed`` when asked for, the last is read through ``stdout``,
    or writes to ``output``.

    With ``first_byte_within`` seconds, waits for the first one's first byte; ``first_was_empty`` tells that none came.
    Raises OpsError when it does neither write nor end in that time.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        feed: bool = False,
        collect: bool = True,
        output: IO[bytes] | None = None,
        first_byte_within: float | None = None,
    ) -> None:
        self.first_was_empty = False
        self._processes: list[Process] = []
        upstream: int | IO[bytes] = subprocess.PIPE if feed else subprocess.DEVNULL
        try:
            for number, command in enumerate(commands):
                last = number == len(commands) - 1
                target: int | IO[bytes] = subprocess.PIPE
                if last and not collect:
                    target = subprocess.DEVNULL if output is None else output
                process = Process(command, stdin=upstream, stdout=target)
                self._processes.append(process)
                if not isinstance(upstream, int):
                    # Only the two programs may hold this pipe, or neither sees the other's end.
                    upstream.close()
                upstream = process.stdout or subprocess.DEVNULL
                if number == 0 and first_byte_within is not None and process.stdout is not None:
                    self.first_was_empty = _nothing_comes(process.stdout, first_byte_within)
        except BaseException:
            self.stop()
            raise

    @property
    def stdin(self) -> IO[bytes]:
        stream = self._processes[0].stdin
        if stream is None:
            raise ValueError("this chain is not fed")
        return stream

    @property
    def stdout(self) -> IO[bytes]:
        stream = self._processes[-1].stdout
        if stream is None:
            raise ValueError("this chain's output is not collected")
        return stream

    def finish(self, *, cut_off: bool = False) -> None:
        """Wait for every program. Raises CommandFailed for the one at fault: a broken pipe is only a consequence, and
        with ``cut_off`` no fault when the last program had enough.
        """
        failures = [failure for process in self._processes if (failure := process.failure())]
        if failures:
            causes = [f for f in failures if f.facts["rc"] not in _BROKEN_PIPE]
            if cut_off and not causes:
                return
            raise (causes or failures)[0]

    def stop(self) -> None:
        """End every program, whatever state it is in."""
        for process in self._processes:
            process.stop()


def _nothing_comes(stream: IO[bytes], seconds: float) -> bool:
    """Wait for the first byte or the end, and take neither. Raises OpsError after ``seconds``."""
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    if not poll.poll(seconds * 1000):
        raise OpsError(f"nothing moved for {seconds:g} s, the run was given up (option stall_timeout)")
    waiting = array.array("i", [0])
    fcntl.ioctl(stream.fileno(), termios.FIONREAD, waiting)
    return waiting[0] == 0
