# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trail of one run: each step in the journal before it begins and after it ended, its seconds in the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._core.clock import Clock
from .._core.jsonlines import JsonLines


class Trail:
    """Steps of a run. The journal exists only while a run is under way or after one was killed."""

    def __init__(self, journal: JsonLines, clock: Clock, tell: Callable[[str], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._tell = tell
        self.steps: list[dict[str, object]] = []
        self._told: set[str] = set()

    def interrupted(self) -> dict[str, object] | None:
        """The last step of a run that was killed; None when the last run came to its end."""
        entries = self._journal.entries()
        return entries[-1] if entries else None

    @contextmanager
    def step(self, name: str, service: str, **facts: object) -> Iterator[None]:
        """Note that a step begins and how it ended."""
        entry = {"step": name, "service": service, **facts}
        self._note("begun", entry)
        started = self._clock.monotonic()
        status = "failed"
        try:
            yield
            status = "done"
        finally:
            seconds = round(self._clock.monotonic() - started, 2)
            self._note(status, entry)
            self.steps.append({**entry, "status": status, "seconds": seconds})

    def warn(self, text: str) -> None:
        """Tell the user once."""
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def close(self) -> None:
        """The run came to its end, good or bad."""
        self._journal.remove()

    def _note(self, status: str, entry: dict[str, object]) -> None:
        at = self._clock.now().isoformat()
        self._journal.append({**entry, "status": status, "at": at, "pid": os.getpid()})
