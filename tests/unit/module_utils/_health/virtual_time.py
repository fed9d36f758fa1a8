# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event loop on which waiting takes no time: it jumps to the next thing that is due."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timezone
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while code runs."""

    def __init__(self) -> None:
        self.virtual_time = 0.0
        super().__init__(_Jumper(self))

    def time(self) -> float:
        return self.virtual_time


class _Jumper(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._virtual_loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everything waits for something that never happens"
        self._virtual_loop.virtual_time += timeout
        return super().select(0)


class LoopClock:
    """The running loop's time as the engines' clock."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), timezone.utc)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a blocking sleep in the event loop")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
