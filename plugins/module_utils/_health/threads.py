# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded pool of daemon threads for calls that block: a hung call never delays the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

WORKERS = 16

T = TypeVar("T")


class _Job(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self.future.add_done_callback(_retrieve)
        self.over = threading.Event()

    def run(self) -> None:
        try:
            settle, value = self.future.set_result, self._call()
        except BaseException as error:  # noqa: BLE001 - belongs to whoever awaits the future
            self._deliver(self.future.set_exception, error)
        else:
            self._deliver(settle, value)

    def _deliver(self, settle: Callable[[Any], None], value: Any) -> None:
        def arrive() -> None:
            if not self.future.done():
                settle(value)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(arrive)


class Threads:
    """At most ``workers`` threads, started when there is work for them."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._started: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._unfinished: list[_Job[Any]] = []
        self._closed = False

    def submit(self, call: Callable[[], T], *, finish: bool = False) -> asyncio.Future[T]:
        """Run ``call`` on a thread; cancelling the future does not stop it.

        ``finish``: ``close`` waits for this call, because something would outlive it otherwise.
        """
        job = _Job(call)
        if finish:
            self._unfinished = [*(other for other in self._unfinished if not other.over.is_set()), job]
        self._queue.put(job)
        if not self._idle.acquire(blocking=False) and len(self._started) < self._workers:
            thread = threading.Thread(target=self._work, daemon=True, name=f"health-{len(self._started)}")
            self._started.append(thread)
            thread.start()
        return job.future

    def close(self) -> None:
        """Begin no more calls, let the threads end with those they run, and wait only for those that must finish."""
        self._closed = True
        for _unused in self._started:
            self._queue.put(None)
        for job in self._unfinished:
            job.over.wait()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if not self._closed:
                job.run()
            job.over.set()
            self._idle.release()


class Serial:
    """A blocking call of which at most one runs: an attempt joins the one that an impatient attempt left behind."""

    def __init__(self, threads: Threads, *, finish: bool = False) -> None:
        self._threads = threads
        self._finish = finish
        self._running: asyncio.Future[str] | None = None

    async def run(self, call: Callable[[], str]) -> str:
        """What ``call``, or the one still running in its place, returns or raises."""
        if self._running is None:
            self._running = self._threads.submit(call, finish=self._finish)
            self._running.add_done_callback(self._ended)
        return await asyncio.shield(self._running)

    def _ended(self, future: asyncio.Future[str]) -> None:
        self._running = None


def _retrieve(future: asyncio.Future[Any]) -> None:
    # Otherwise asyncio reports the error of a call that everybody stopped waiting for.
    if not future.cancelled():
        future.exception()
