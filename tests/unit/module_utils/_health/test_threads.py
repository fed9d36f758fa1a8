# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocking calls beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._health.threads import Serial, Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    pool = Threads(workers=2)
    yield pool
    pool.close()


def test_calls_run_beside_the_loop_on_few_threads(threads: Threads) -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*(threads.submit(lambda: threading.current_thread().name) for _n in range(20)))

    names = set(asyncio.run(main()))
    assert 1 <= len(names) <= 2
    assert threading.main_thread().name not in names


def test_an_error_arrives_where_the_call_is_awaited(threads: Threads) -> None:
    async def main() -> None:
        await threads.submit(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_hung_call_delays_neither_the_loop_nor_close(threads: Threads) -> None:
    release = threading.Event()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(threads.submit(release.wait), 0.01)

    asyncio.run(main())
    threads.close()
    release.set()


def test_close_waits_for_what_must_finish_and_drops_what_has_not_begun() -> None:
    pool = Threads(workers=1)
    begun, release = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        begun.set()
        release.wait()
        done.append("first")

    async def main() -> None:
        pool.submit(first, finish=True)
        pool.submit(lambda: done.append("second"), finish=True)
        begun.wait()

    asyncio.run(main())
    threading.Timer(0.01, release.set).start()
    pool.close()
    assert done == ["first"]


def test_an_attempt_joins_the_call_that_an_earlier_one_left_running(threads: Threads) -> None:
    release = threading.Event()
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        release.wait()
        return f"call {len(calls)}"

    async def main() -> list[str]:
        serial = Serial(threads)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(serial.run(call), 0.01)
        second = asyncio.ensure_future(serial.run(call))
        await asyncio.sleep(0)
        release.set()
        return [await second, await serial.run(call)]

    assert asyncio.run(main()) == ["call 1", "call 2"]
