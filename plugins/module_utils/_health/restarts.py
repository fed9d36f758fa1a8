# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a restart loop from a restart of long ago, by the counts seen during one wait. Pure."""

from __future__ import annotations

from .outcome import UnhealthyError

RESTARTS_OF_A_LOOP = 3


class Restarts:
    """The restart count of one thing over the attempts of one wait."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last = 0

    def check(self, count: int, *, fail_fast: bool, limit: int = RESTARTS_OF_A_LOOP) -> None:
        """Take in the present count.

        Raises UnhealthyError when it grew since the last attempt, as what restarted a moment ago is not healthy yet;
        fatal with ``fail_fast`` when it grew by ``limit`` since the first.
        """
        if self._first is None or count < self._last:
            self._first = self._last = count
        grown, self._last = count - self._last, count
        during = count - self._first
        if grown and during >= limit:
            raise UnhealthyError(f"restart loop: restarted {during} times while waiting", fatal=fail_fast)
        if grown:
            raise UnhealthyError("restarted a moment ago")
