# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A byte stream with the few ways of reading that the checks' protocols need.

Plain sockets bypass asyncio's transports: those cost more than the whole rest of an attempt.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from .outcome import UnhealthyError

_PIECE = 64 * 1024
_LONGEST_LINE = 64 * 1024


class Stream(ABC):
    """An open connection. Reading raises UnhealthyError when it ends too early, OSError when it breaks.

    ``certificate`` is the server's, as ``ssl.SSLSocket.getpeercert`` gives it; empty without TLS.
    """

    def __init__(self) -> None:
        self.certificate: Mapping[str, Any] = {}
        self._buffer = b""

    @abstractmethod
    async def send(self, content: bytes) -> None:
        """Send all of ``content``."""

    @abstractmethod
    async def receive(self) -> bytes:
        """What arrives next, empty at the end; bypasses what was read ahead."""

    @abstractmethod
    def close(self) -> None:
        """Drop the connection."""

    async def read_some(self) -> bytes:
        """At least one byte, or none at the end."""
        buffer, self._buffer = self._buffer, b""
        return buffer or await self.receive()

    async def read_line(self) -> bytes:
        """A line without its end."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise UnhealthyError("answers with an endless line")
            await self._more()
        line, _end, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    async def read_exactly(self, count: int) -> bytes:
        """``count`` bytes."""
        while len(self._buffer) < count:
            await self._more()
        content, self._buffer = self._buffer[:count], self._buffer[count:]
        return content

    async def _more(self) -> None:
        piece = await self.receive()
        if not piece:
            raise UnhealthyError("connection closed before the answer was complete")
        self._buffer += piece


class PlainStream(Stream):
    """Over a connected socket that does not block."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection

    async def send(self, content: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._connection, content)

    async def receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._connection, _PIECE)

    def close(self) -> None:
        self._connection.close()


class TlsStream(Stream):
    """Over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self.certificate = writer.get_extra_info("peercert") or {}

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def receive(self) -> bytes:
        return await self._reader.read(_PIECE)

    def close(self) -> None:
        self._writer.transport.abort()
