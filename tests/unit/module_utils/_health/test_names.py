# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are looked up seldom, and once for all who ask at the same time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._health.names import FRESH_SECONDS, Names
from ansible_collections.keelson.ops.plugins.module_utils._health.outcome import UnhealthyError
from ansible_collections.keelson.ops.plugins.module_utils._health.threads import Threads

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]


class Resolver:
    """Answers as told and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.failing = False
        self.release = threading.Event()
        self.release.set()

    def __call__(self, host: str, port: int, **options: Any) -> list[Any]:
        self.asked += 1
        self.release.wait()
        if self.failing:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return FOUND


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


@pytest.fixture
def names(resolver: Resolver) -> Iterator[Names]:
    threads = Threads()
    yield Names(threads, resolver)
    threads.close()


def test_an_address_needs_no_resolver(names: Names, resolver: Resolver) -> None:
    assert asyncio.run(names.places("127.0.0.1", 80)) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert asyncio.run(names.places("::1", 80)) == [(socket.AF_INET6, ("::1", 80, 0, 0))]
    assert resolver.asked == 0


def test_all_who_want_a_name_share_one_question(names: Names, resolver: Resolver) -> None:
    resolver.release.clear()

    async def main() -> list[Any]:
        impatient = asyncio.ensure_future(names.places("app", 80))
        patient = [asyncio.ensure_future(names.places("app", 80)) for _number in range(50)]
        await asyncio.sleep(0)
        impatient.cancel()
        resolver.release.set()
        return await asyncio.gather(*patient)

    assert asyncio.run(main()) == [[(socket.AF_INET, ("10.0.0.1", 80))]] * 50
    assert resolver.asked == 1


def test_an_answer_is_known_for_a_moment(names: Names, resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for passed, asked in ((0.0, 1), (FRESH_SECONDS / 2, 1), (FRESH_SECONDS, 2), (FRESH_SECONDS * 1.5, 2)):
            monkeypatch.setattr(loop, "time", lambda passed=passed: began + passed)
            await names.places("app", 80)
            assert resolver.asked == asked

    asyncio.run(main())


def test_a_failure_is_said_and_asked_again(names: Names, resolver: Resolver) -> None:
    async def main() -> None:
        resolver.failing = True
        with pytest.raises(UnhealthyError, match="app: name or service not known"):
            await names.places("app", 80)
        resolver.failing = False
        assert await names.places("app", 80)

    asyncio.run(main())


def test_what_cannot_be_a_name_is_said() -> None:
    threads = Threads()
    try:
        with pytest.raises(UnhealthyError, match=r"a\.\.b: "):
            asyncio.run(Names(threads).places("a..b", 80))
    finally:
        threads.close()
