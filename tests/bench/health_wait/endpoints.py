# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process with many HTTP endpoints that become healthy one after the other.

Half of them answer 503 until then, the other half refuse connections. Ports are printed as one JSON line; the clock
starts with the first request, so that the start of whoever waits doesn't count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys

FASTEST = 0.3


def ready_times(count: int, slowest: float) -> list[float]:
    """Seconds until each endpoint is healthy: evenly spread, in an order that is the same in every run."""
    first = min(FASTEST, slowest)
    times = [first + (slowest - first) * index / max(1, count - 1) for index in range(count)]
    random.Random(7).shuffle(times)  # noqa: S311
    return times


class Endpoints:
    """All of them, on one clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started: float | None = None
        self._begun = asyncio.Event()

    async def serve(self, listener: socket.socket, ready: float, *, answers_early: bool) -> None:
        """Serve one endpoint for ever."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            healthy = self._elapsed() >= ready
            body = b'{"status": "healthy"}' if healthy else b'{"status": "starting"}'
            status = b"200 OK" if healthy else b"503 Service Unavailable"
            head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, len(body)) + body)
            writer.close()

        if not answers_early:
            await self._begun.wait()
            await asyncio.sleep(ready - self._elapsed())
        server = await asyncio.start_server(answer, sock=listener)
        await server.serve_forever()

    def _elapsed(self) -> float:
        if self._started is None:
            self._started = self._loop.time()
            self._begun.set()
        return self._loop.time() - self._started


async def main(count: int, slowest: float) -> None:
    """Bind all, say where, and serve."""
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    sys.stdout.write(json.dumps([listener.getsockname()[1] for listener in listeners]) + "\n")
    sys.stdout.flush()
    endpoints = Endpoints()
    pairs = zip(listeners, ready_times(count, slowest), strict=True)
    await asyncio.gather(
        *(
            endpoints.serve(listener, ready, answers_early=index % 2 == 0)
            for index, (listener, ready) in enumerate(pairs)
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--slowest", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(main(options.endpoints, options.slowest))
