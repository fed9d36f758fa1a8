# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hosts: names are asked for seldom, and once for all who want the same one at the same time."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any

from .outcome import UnhealthyError
from .threads import Threads

FRESH_SECONDS = 2.0

Place = tuple[int, Any]
"""An address family and an address of it, as sockets take them."""

Lookup = Callable[..., list[Any]]


class Names:
    """Looks names up on threads, as the system's resolver blocks. What was found stays known for a moment."""

    def __init__(self, threads: Threads, lookup: Lookup = socket.getaddrinfo) -> None:
        self._threads = threads
        self._lookup = functools.partial(lookup, type=socket.SOCK_STREAM)
        self._asked: dict[tuple[str, int], tuple[asyncio.Future[list[Any]], float]] = {}

    async def places(self, host: str, port: int) -> list[Place]:
        """The addresses of ``host`` in the resolver's order. Raises UnhealthyError when there are none."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):
            found = await self._by_name(host, port)
        return [(info[0], info[4]) for info in found]

    async def _by_name(self, host: str, port: int) -> list[Any]:
        now, key = asyncio.get_running_loop().time(), (host, port)
        asked, since = self._asked.get(key, (None, 0.0))
        if asked is None or (asked.done() and (asked.exception() or now - since >= FRESH_SECONDS)):
            asked = self._threads.submit(lambda: self._lookup(host, port))
            self._asked[key] = (asked, now)
        try:
            return await asyncio.shield(asked)
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a valid name"
            raise UnhealthyError(f"{host}: {str(reason).lower()}", answered=False) from None
