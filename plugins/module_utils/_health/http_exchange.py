# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 request and its answer over an open stream; as much of RFC 9112 as a health check needs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from .outcome import UnhealthyError
from .stream import Stream

BODY_LIMIT = 1024 * 1024
_HEADER_LINES = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are in lower case; lines of one name are joined by commas. The body is cut at BODY_LIMIT."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as sent; one connection serves one request."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", errors="replace") + body


def basic_authorization(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


async def read_answer(stream: Stream, method: str) -> Answer:
    """The final answer on the stream. Raises UnhealthyError for what is no HTTP answer, or only a part of one."""
    status, headers = await _head(stream)
    while 100 <= status < 200:
        status, headers = await _head(stream)
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        return Answer(status, headers, await _chunks(stream))
    length = headers.get("content-length")
    if length is None:
        return Answer(status, headers, await _rest(stream))
    if not length.isdecimal():
        raise UnhealthyError(f"is no HTTP answer: Content-Length {length[:40]!r}")
    return Answer(status, headers, await stream.read_exactly(min(int(length), BODY_LIMIT)))


async def _head(stream: Stream) -> tuple[int, dict[str, str]]:
    first = (await _line(stream)).split(" ", 2)
    if not first[0].startswith("HTTP/1.") or len(first) < 2 or not (first[1].isdecimal() and len(first[1]) == 3):
        raise UnhealthyError(f"is no HTTP answer: {' '.join(first)[:60]!r}")
    headers: dict[str, str] = {}
    for _unused in range(_HEADER_LINES):
        line = await _line(stream)
        if not line:
            return int(first[1]), headers
        name, _colon, value = line.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    raise UnhealthyError(f"is no HTTP answer: more than {_HEADER_LINES} header lines")


async def _line(stream: Stream) -> str:
    return (await stream.read_line()).decode("latin-1")


async def _rest(stream: Stream) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT and (piece := await stream.read_some()):
        body += piece
    return body[:BODY_LIMIT]


async def _chunks(stream: Stream) -> bytes:
    body = b""
    while len(body) < BODY_LIMIT:
        text = (await _line(stream)).partition(";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            raise UnhealthyError(f"is no HTTP answer: chunk size {text[:20]!r}") from None
        if size <= 0:
            return body
        body += await stream.read_exactly(min(size, BODY_LIMIT))
        await _line(stream)
    return body[:BODY_LIMIT]
