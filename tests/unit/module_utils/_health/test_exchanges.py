# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP and Redis as they arrive on the wire, in one piece or byte by byte."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._health.http_exchange import (
    BODY_LIMIT,
    Answer,
    read_answer,
    request_bytes,
)
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds import redis
from ansible_collections.keelson.ops.plugins.module_utils._health.outcome import UnhealthyError
from ansible_collections.keelson.ops.plugins.module_utils._health.stream import Stream


class Recorded(Stream):
    """What a server sent, and then closed the connection."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__()
        self._pieces = [content[start : start + size] for start in range(0, len(content), size)]

    async def send(self, content: bytes) -> None: ...

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None: ...


@pytest.fixture(params=[1, 7, 100_000], ids=["byte by byte", "in pieces", "at once"])
def size(request: pytest.FixtureRequest) -> int:
    return request.param


def answer(content: bytes, size: int = 100_000, method: str = "GET") -> Answer:
    return asyncio.run(read_answer(Recorded(content, size), method))


def test_a_body_of_known_length(size: int) -> None:
    found = answer(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello and more", size)
    assert (found.status, found.headers["x-a"], found.body) == (200, "1, 2", b"hello")


def test_a_chunked_body(size: int) -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert answer(head + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", size).body == b"hello"


def test_a_body_until_the_end_of_the_connection(size: int) -> None:
    assert answer(b"HTTP/1.0 200 OK\n\nhello", size).body == b"hello"


def test_interim_answers_are_passed_over(size: int) -> None:
    found = answer(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", size)
    assert (found.status, found.body) == (204, b"")


def test_head_has_no_body_whatever_its_length_says() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", method="HEAD").body == b""


def test_a_huge_body_is_cut() -> None:
    assert len(answer(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (BODY_LIMIT + 5)).body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "connection closed before the answer was complete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "connection closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no HTTP answer: 'SSH-2.0-OpenSSH_9.2'"),
        (b"HTTP/1.1 abc\r\n\r\n", "is no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", "is no HTTP answer: Content-Length '-4'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "is no HTTP answer: chunk size 'zz'"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300, "more than 200 header lines"),
        (b"x" * 200_000, "answers with an endless line"),
    ],
)
def test_what_is_no_complete_http_answer_is_said(content: bytes, words: str) -> None:
    with pytest.raises(UnhealthyError, match=words):
        answer(content)


def test_a_request_is_one_of_http_1_1() -> None:
    sent = request_bytes("POST", "/a?b=c", {"Host": "x", "Content-Length": "2"}, b"{}")
    assert sent == b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"+PONG\r\n", "PONG"),
        (b":42\r\n", 42),
        (b"$5\r\nhe\r\no\r\n", "he\r\no"),
        (b"$-1\r\n", None),
        (b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n", ["master", 3129659, []]),
    ],
)
def test_redis_replies(content: bytes, reply: object, size: int) -> None:
    assert asyncio.run(redis.read_reply(Recorded(content, size))) == reply


def test_what_is_no_redis_reply_is_said() -> None:
    with pytest.raises(UnhealthyError, match=r"is no Redis answer: 'HTTP/1\.1 400 Bad Request'"):
        asyncio.run(redis.read_reply(Recorded(b"HTTP/1.1 400 Bad Request\r\n", 100)))


def test_a_redis_request_is_an_array_of_bulk_strings() -> None:
    assert redis.request("AUTH", "é") == b"*2\r\n$4\r\nAUTH\r\n$2\r\n\xc3\xa9\r\n"
