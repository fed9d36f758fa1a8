# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Noticing that a stream no longer moves: a store that takes nothing, or a producer that makes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType


class StallGuard:
    """Calls ``interrupt`` once, from a thread of its own, when ``moved`` was not called for ``seconds``."""

    def __init__(self, seconds: float, interrupt: Callable[[], None]) -> None:
        self._seconds = seconds
        self._interrupt = interrupt
        self._signal = threading.Event()
        self._over = False
        self._resting = False
        self._thread = threading.Thread(target=self._watch, name="keelson-stall", daemon=True)
        self.stalled = False

    def __enter__(self) -> StallGuard:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._signal.set()
        self._thread.join()

    def moved(self) -> None:
        """Bytes went on."""
        self._signal.set()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Time in which nothing is expected to move."""
        self._resting = True
        try:
            yield
        finally:
            self._resting = False
            self.moved()

    def _watch(self) -> None:
        while (moved := self._signal.wait(self._seconds)) or self._resting:
            if self._over:
                return
            if moved:
                self._signal.clear()
        self.stalled = True
        self._interrupt()
