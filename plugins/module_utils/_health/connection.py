# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections over TCP, Unix sockets and TLS, with every failure in words."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .limit import within
from .names import Place
from .outcome import UnhealthyError
from .resources import Resources
from .stream import PlainStream, Stream, TlsStream

CONNECT_SECONDS = 3.0
FIRST_ADDRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server must prove itself: as ``server_name``, by the system's CAs or those of ``ca_file``."""

    server_name: str
    ca_file: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect: a host name or address and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def connected(resources: Resources, endpoint: Endpoint, tls: Tls | None = None) -> AsyncIterator[Stream]:
    """A stream to ``endpoint`` that is gone afterwards. Raises UnhealthyError for every failure on it."""
    stream = await _open(resources, endpoint, tls)
    try:
        yield stream
    except OSError as error:
        raise UnhealthyError(in_words(error)) from None
    finally:
        stream.close()


def in_words(error: OSError) -> str:
    """A system or TLS error for people: asyncio's own texts hide the system's message."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, ConnectionResetError):
        return "connection closed by the other side"
    if error.errno:
        return os.strerror(error.errno).lower()
    return re.sub(r"\s+", " ", str(error)) or type(error).__name__


async def _open(resources: Resources, endpoint: Endpoint, tls: Tls | None) -> Stream:
    context = None if tls is None else resources.tls_context(tls.ca_file, tls.verify)
    local = [(socket.AF_UNIX, endpoint.path)] if endpoint.path is not None else []
    places: Sequence[Place] = local or await resources.names.places(endpoint.host, endpoint.port)
    failures: list[UnhealthyError] = []
    for index, (family, address) in enumerate(places, start=1):
        patience = CONNECT_SECONDS if index == len(places) else FIRST_ADDRESS_SECONDS
        name = "" if endpoint.path or address[0] == endpoint.host else f"{address[0]}: "
        try:
            return await _settled(family, address, context, tls, patience)
        except UnhealthyError as error:
            found = error.outcome
            failures.append(UnhealthyError(f"{name}{found.words}", answered=found.answered))
            if found.answered:
                raise failures[-1] from None
    raise UnhealthyError("; ".join(map(str, failures)) or f"{endpoint.host} has no address", answered=False)


async def _settled(
    family: int, address: Any, context: ssl.SSLContext | None, tls: Tls | None, seconds: float
) -> Stream:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        if not _connects_at_once(connection, address):
            await within(seconds, asyncio.get_running_loop().sock_connect(connection, address))
        if context is None or tls is None:
            return PlainStream(connection)
        opening = asyncio.open_connection(sock=connection, ssl=context, server_hostname=tls.server_name)
        return TlsStream(*await opening)
    except BaseException as error:
        connection.close()
        if isinstance(error, asyncio.TimeoutError):
            raise UnhealthyError(f"no connection within {seconds:g} s", answered=False) from None
        if isinstance(error, OSError):
            reached = isinstance(error, (ssl.SSLError, ConnectionResetError))
            raise UnhealthyError(in_words(error), answered=reached) from None
        raise


def _connects_at_once(connection: socket.socket, address: Any) -> bool:
    """Whether the connection stands already. Raises OSError when it is refused.

    On one machine it is made or refused by the time of the second question, which saves a turn of the event loop.
    """
    for _question in range(2):
        code = connection.connect_ex(address)
        if code in (0, errno.EISCONN):
            return True
        if code not in (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN):
            raise OSError(code, os.strerror(code))
    return False
