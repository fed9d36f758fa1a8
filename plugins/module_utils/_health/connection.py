# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams over TCP, Unix sockets and TLS, with every failure in words."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .outcome import UnhealthyError
from .resources import Resources
from .threads import Threads

CONNECT_SECONDS = 3.0
FIRST_ADDRESS_SECONDS = 1.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    context = None if tls is None else resources.tls_context(tls.ca_file, tls.verify)
    name = None if tls is None else tls.server_name
    reader, writer = await _open(resources.threads, endpoint, context, name)
    try:
        yield reader, writer
    except asyncio.IncompleteReadError:
        raise UnhealthyError("connection closed before the answer was complete") from None
    except asyncio.LimitOverrunError:
        raise UnhealthyError("answers with an endless line") from None
    except OSError as error:
        raise UnhealthyError(in_words(error)) from None
    finally:
        writer.transport.abort()


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


async def _open(threads: Threads, endpoint: Endpoint, context: ssl.SSLContext | None, name: str | None) -> Stream:
    if endpoint.path is not None:
        stream = asyncio.open_unix_connection(endpoint.path, ssl=context, server_hostname=name)
        return await _settled(stream, CONNECT_SECONDS, "")
    addresses = await _addresses(threads, endpoint)
    failures: list[UnhealthyError] = []
    for index, address in enumerate(addresses, start=1):
        patience = CONNECT_SECONDS if index == len(addresses) else FIRST_ADDRESS_SECONDS
        stream = asyncio.open_connection(address, endpoint.port, ssl=context, server_hostname=name)
        try:
            return await _settled(stream, patience, "" if address == endpoint.host else f"{address}: ")
        except UnhealthyError as error:
            if error.outcome.answered:
                raise
            failures.append(error)
    raise UnhealthyError("; ".join(map(str, failures)) or f"{endpoint.host} has no address", answered=False)


async def _settled(opening: Awaitable[Stream], seconds: float, place: str) -> Stream:
    try:
        return await asyncio.wait_for(opening, seconds)
    except asyncio.TimeoutError:
        raise UnhealthyError(f"{place}no connection within {seconds:g} s", answered=False) from None
    except (ssl.SSLError, ConnectionResetError) as error:
        raise UnhealthyError(f"{place}{in_words(error)}") from None
    except OSError as error:
        raise UnhealthyError(f"{place}{in_words(error)}", answered=False) from None


async def _addresses(threads: Threads, endpoint: Endpoint) -> list[str]:
    resolve = functools.partial(socket.getaddrinfo, endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    try:
        found = resolve(flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        try:
            found = await threads.submit(resolve)
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a valid name"
            raise UnhealthyError(f"{endpoint.host}: {str(reason).lower()}", answered=False) from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))
