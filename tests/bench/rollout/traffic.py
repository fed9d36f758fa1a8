# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A constant load through the proxy, and what its users saw."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

THREADS = 16
PERIOD = 0.4
SHORTEST, LONGEST = 0.05, 0.4
ANSWER_SECONDS = 30.0
CALM = 5.0


@dataclass
class Traffic:
    """GET and POST in turn, from several threads, each on a connection of its own, at ``THREADS / PERIOD`` a second.

    Each asks for its own time to be answered in, between ``SHORTEST`` and ``LONGEST`` seconds, and when it has been
    connected for ``hesitates`` seconds, as a client does that is far away and speaks TLS.
    """

    address: str
    port: int
    hesitates: float = 0.0
    answers: list[tuple[float, float, str]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    ended: float = 0.0

    def __enter__(self) -> Traffic:
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._workers = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended = time.monotonic()
        self._stop.set()
        for worker in self._workers:
            worker.join()

    @property
    def total(self) -> int:
        return len(self.answers) + len(self.failures)

    @property
    def longest_gap(self) -> float:
        """Seconds without a good answer, at most; an outage that lasts counts up to the end."""
        moments = sorted([moment for moment, _seconds, _version in self.answers] + [self.ended])
        return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=float("inf"))

    @property
    def p99(self) -> float:
        """Seconds that a good answer took, the 99th percentile."""
        seconds = sorted(seconds for _moment, seconds, _version in self.answers)
        return seconds[int(len(seconds) * 0.99)] if seconds else float("inf")

    def serving(self) -> str:
        """What answered in the last seconds: a version, or "nobody"."""
        limit = time.monotonic() - CALM
        seen = Counter(version for moment, _seconds, version in self.answers if moment > limit)
        return "+".join(sorted(seen)) or "nobody"

    def _work(self, number: int) -> None:
        turn = number
        self._stop.wait(PERIOD * number / THREADS)
        while not self._stop.is_set():
            turn += 1
            began = time.monotonic()
            try:
                version = self._ask("POST" if turn % 2 else "GET", turn)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append((time.monotonic(), f"{type(error).__name__}: {error}"))
            else:
                ended = time.monotonic()
                with self._lock:
                    self.answers.append((ended, ended - began, version))
            self._stop.wait(max(0.0, PERIOD - (time.monotonic() - began)))

    def _ask(self, method: str, turn: int) -> str:
        seconds = SHORTEST + (LONGEST - SHORTEST) * (turn * 37 % 100) / 99
        connection = http.client.HTTPConnection(self.address, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.connect()
            self._stop.wait(self.hesitates)
            connection.request(method, f"/order?seconds={seconds:.3f}", body=b"x" if method == "POST" else None)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != 200:
                raise http.client.HTTPException(f"status {response.status}")
            return text
        finally:
            connection.close()
