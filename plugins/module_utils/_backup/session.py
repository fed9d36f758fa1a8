# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A psql session that stays open: one way to ask a server, whether psql runs here or in a container."""

from __future__ import annotations

import json
import secrets
import subprocess
from types import TracebackType
from typing import Any

from .._core.command import Command, CommandFailed
from .process_chain import Process


class Session:
    """Answers come one value at a time, JSON where there is more to say. Use as a context manager."""

    def __init__(self, psql: Command) -> None:
        self._process = Process(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._end = f"keelson-{secrets.token_hex(8)}"

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stdin = self._process.stdin
        if error is None and stdin is not None:
            # The end of its input ends psql; whoever stops early stops a statement under way too.
            stdin.close()
            self._process.wait()
        self.stop()

    def stop(self) -> None:
        """End the session; a statement under way in another thread fails."""
        self._process.stop()

    def text(self, sql: str) -> str:
        """Run one or more statements; what they printed, without the last line end. Raises CommandFailed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("the session is closed")
        try:
            stdin.write(f"{sql}\n;\n\\echo {self._end}\n".encode())
            stdin.flush()
        except OSError:
            raise self._failure() from None
        lines: list[str] = []
        while line := stdout.readline():
            text = line.decode(errors="replace").rstrip("\n")
            if text == self._end:
                return "\n".join(lines)
            lines.append(text)
        raise self._failure()

    def value(self, sql: str) -> Any:
        """The JSON value that one statement answers with."""
        answer = self.text(sql)
        return json.loads(answer) if answer else None

    def _failure(self) -> CommandFailed:
        return self._process.failure() or CommandFailed(self._process.command, "ended too early")
