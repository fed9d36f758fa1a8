# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steady requests as a careful proxy sends them: without a connection it tries elsewhere, all else is a failure."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

RETRY_SECONDS = 30.0
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0


@dataclass
class Load:
    """Requests from several threads to the ports of one address while the context lasts.

    Connections are tried elsewhere for ``patience`` seconds; a proxy must have none. Between connecting and asking it
    ``hesitates`` for seconds, as a client does that is far away and speaks TLS.
    """

    address: str
    ports: tuple[int, ...]
    threads: int = 4
    patience: float = RETRY_SECONDS
    hesitates: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._workers = [threading.Thread(target=self._work, args=(number,)) for number in range(self.threads)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + len(self.failures)

    def _work(self, number: int) -> None:
        while not self._stop.is_set():
            number += 1
            try:
                answer = self._ask(number)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append(f"{type(error).__name__}: {error}")
            else:
                with self._lock:
                    self.answers[answer] += 1

    def _ask(self, number: int) -> str:
        connection = self._connect(number)
        try:
            self._stop.wait(self.hesitates)
            connection.request("POST" if number % 2 else "GET", "/order", body=b"x" if number % 2 else None)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != 200:
                raise http.client.HTTPException(f"status {response.status}")
            return text
        finally:
            connection.close()

    def _connect(self, number: int) -> http.client.HTTPConnection:
        deadline = time.monotonic() + self.patience
        while True:
            port = self.ports[number % len(self.ports)]
            connection = http.client.HTTPConnection(self.address, port, timeout=CONNECT_SECONDS)
            try:
                connection.connect()
            except OSError:
                if time.monotonic() >= deadline:
                    raise
                number += 1
            else:
                connection.sock.settimeout(ANSWER_SECONDS)
                return connection
