# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening on ports that nobody uses, for the moment in which a proxy takes them for healthy.

Caddy holds every upstream of a configuration that it has just loaded for healthy until its first check of it has ended,
and before 2.11.2 answers 502 to a request with a body that it first sent to a port that nobody listens on (unless it
holds bodies, as with role caddy). For that moment somebody listens: checks are answered with 503, all other connections
are handed on to where the service is.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType

CHECK_SECONDS = 3.0
"""How long a proxy's first checks are waited for."""
SETTLE_SECONDS = 0.03
CLOSE_SECONDS = 0.1
CONNECT_SECONDS = 5.0
FINISH_SECONDS = 30.0
IDLE_SECONDS = 0.3
POLL_SECONDS = 0.02
CHUNK = 65536
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class StandIn:
    """Listens on those of ``addresses`` that are free while the context lasts; leaving it waits for the checks.

    ``serving`` are addresses that answer, ``paths`` what the checks ask for, ``checks`` how many each must have lost.
    """

    def __init__(self, addresses: Iterable[str], serving: Sequence[str], paths: Iterable[str], checks: int) -> None:
        self._addresses = tuple(addresses)
        self._serving = itertools.cycle(serving)
        self._paths = {path.encode() for path in paths}
        self._left: dict[socket.socket, int] = {}
        self._checks = checks
        self._closing = threading.Event()
        self._relays: list[threading.Thread] = []

    def __enter__(self) -> StandIn:
        for address in self._addresses:
            with contextlib.suppress(OSError):  # somebody listens, or the address is not of this host
                listener = _listening(address)
                self._left[listener] = self._checks
        self._listeners = [
            threading.Thread(target=self._accept, args=(listener,), daemon=True) for listener in self._left
        ]
        for thread in self._listeners:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + (CHECK_SECONDS if error is None else 0.0)
        while any(left > 0 for left in self._left.values()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if self._left:
            time.sleep(SETTLE_SECONDS)  # the proxy has its answer, and draws its conclusion
        self._closing.set()
        for listener in self._listeners:
            listener.join()
        deadline = time.monotonic() + FINISH_SECONDS
        for relay in self._relays:
            relay.join(max(0.0, deadline - time.monotonic()))

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, _unused = listener.accept()
                except OSError:
                    if self._closing.is_set():
                        return
                    continue
                relay = threading.Thread(target=self._answer, args=(listener, connection), daemon=True)
                self._relays.append(relay)
                relay.start()

    def _answer(self, listener: socket.socket, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(CONNECT_SECONDS)
            first = connection.recv(CHUNK)
            if self._paths.issuperset(first.split(b" ", 2)[1:2] or [b""]):
                connection.sendall(UNAVAILABLE)
                self._until_closed(connection)
                self._left[listener] -= 1
            elif first:
                with socket.create_connection(_parts(next(self._serving)), CONNECT_SECONDS) as upstream:
                    upstream.sendall(first)
                    self._relay(connection, upstream)

    @staticmethod
    def _until_closed(connection: socket.socket) -> None:
        """Whoever was told that the connection ends here closes it as soon as the answer has been read."""
        connection.settimeout(CLOSE_SECONDS)
        with contextlib.suppress(OSError):
            connection.recv(CHUNK)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        """Both ways until one side ends; when closing, until what was asked last has been answered."""
        other = {client: server, server: client}
        answered, since = False, time.monotonic()
        while True:
            readable = select.select([client, server], [], [], POLL_SECONDS)[0]
            for side in readable:
                data = side.recv(CHUNK)
                if not data:
                    return
                other[side].sendall(data)
                answered, since = side is server, time.monotonic()
            if self._closing.is_set() and answered and time.monotonic() - since > IDLE_SECONDS:
                return


def _listening(address: str) -> socket.socket:
    host, port = _parts(address)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        listener.settimeout(POLL_SECONDS)
    except OSError:
        listener.close()
        raise
    return listener


def _parts(address: str) -> tuple[str, int]:
    host, _unused, port = address.rpartition(":")
    return host.strip("[]"), int(port)
