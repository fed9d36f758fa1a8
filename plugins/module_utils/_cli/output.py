# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host command speaks: results on standard output, steps and progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OpsError

TERMINAL_SECONDS = 0.2
LOG_SECONDS = 30.0
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Output:
    """One line that is rewritten on a terminal; a line now and then in a log."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._began = self._last = time.monotonic()
        self._line_open = False

    def step(self, text: str) -> None:
        self._began = self._last = time.monotonic()
        self._say(text)

    def progress(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < (TERMINAL_SECONDS if self._terminal else LOG_SECONDS):
            return
        self._last = now
        share = f" of {size(total)} ({100 * done / total:.0f} %)" if total else ""
        text = f"  {size(done)}{share}, {size(done / max(now - self._began, 0.001))}/s"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._line_open = True
        else:
            self._say(text)

    def result(self, data: Mapping[str, Any], lines: Sequence[str]) -> None:
        """Print the outcome: ``data`` with --json, else ``lines``."""
        self._end_line()
        sys.stdout.write((json.dumps(data, indent=1) if self._as_json else "\n".join(lines)) + "\n")

    def fail(self, error: OpsError, code: int) -> int:
        """Print why it failed; ``code``."""
        self._end_line()
        if self._as_json:
            sys.stdout.write(
                json.dumps({"failed": True, "msg": error.message, **error.facts}, default=str, indent=1) + "\n"
            )
        sys.stderr.write(f"keelson: {error.message}\n")
        return code

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._end_line()
            sys.stderr.write(text + "\n")

    def _end_line(self) -> None:
        if self._line_open:
            sys.stderr.write("\n")
            self._line_open = False


def size(number: float) -> str:
    """Bytes for people, in powers of 1000."""
    for unit in _UNITS[:-1]:
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 120 else f"{minutes} min"
