# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the application for an answer, over and over, while it is deployed: the measure of "no request fails"."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from types import TracebackType

INTERVAL_SECONDS = 0.1
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it ended (monotonic seconds), how long it took, and whether it succeeded."""

    at: float
    seconds: float
    ok: bool


def summary(answers: list[Answer]) -> dict[str, object]:
    """What a user wants to know of them. The longest gap is the longest time between two successes."""
    good = [answer for answer in answers if answer.ok]
    times = sorted(answer.seconds for answer in good)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(good)]
    return {
        "total": len(answers),
        "failed": len(answers) - len(good),
        "longest_gap": round(max(gaps, default=0.0), 3),
        "p99": round(times[min(len(times) - 1, int(len(times) * 0.99))], 3) if times else None,
    }


@dataclass
class Probe:
    """Requests to one URL in the background while the context lasts; without a URL it does nothing."""

    url: str | None
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Probe:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        if self.url:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self.url:
            self._thread.join(ANSWER_SECONDS)

    def result(self) -> dict[str, object] | None:
        return summary(list(self.answers)) if self.url else None

    def _work(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            started = time.monotonic()
            ok = self._ask()
            ended = time.monotonic()
            self.answers.append(Answer(ended, ended - started, ok))

    def _ask(self) -> bool:
        try:
            with urllib.request.build_opener().open(str(self.url), timeout=ANSWER_SECONDS) as response:
                response.read()
                return True
        except (OSError, urllib.error.URLError, ValueError):
            return False
