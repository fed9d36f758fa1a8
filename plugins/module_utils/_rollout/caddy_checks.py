# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When Caddy's active health checks are under way.

Whoever is connected when the configuration is replaced and asks afterwards is answered by the former one. Its checks
that are under way at that moment are cancelled, and Caddy takes a cancelled check for a failed one (2.6 and 2.11 do, in
``doActiveHealthCheck`` of healthchecks.go). When these were all of its upstreams it answers 503 from then on. So the
configuration is replaced between two checks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core.atomic import write_file
from .._core.clock import Clock

RUN_DIRECTORY = Path("/run/keelson")
MARGIN = 4.0
LEAST_SECONDS = 0.1
"""A loading cancels the checks in so many times the seconds of the one before, or in this time, or sooner."""
PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Loading:
    """Between which two seconds of the monotonic clock a configuration was loaded and its first checks began."""

    began: float
    ended: float

    def pause(self, now: float, interval: float) -> float:
        """Seconds until no check begins while a configuration is loaded; checks begin every ``interval`` seconds."""
        width = self.ended - self.began
        ahead = min(max(MARGIN * width, LEAST_SECONDS), interval / 4)
        return max(0.0, ahead + width - (now + ahead - self.began) % interval)


class Loadings:
    """When the configurations that we gave to one Caddy were loaded; kept until the next boot."""

    def __init__(self, admin: str, directory: Path = RUN_DIRECTORY) -> None:
        self._file = directory / f"caddy-{hashlib.sha256(admin.encode()).hexdigest()[:16]}.json"

    def of(self, config: Any) -> Loading | None:
        """When ``config`` was loaded; None when others loaded it."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return Loading(float(kept["began"]), float(kept["ended"])) if kept["config"] == _digest(config) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember(self, config: Any, loading: Loading) -> None:
        """Keep it; where that fails, it is not known next time."""
        kept = {"config": _digest(config), "began": loading.began, "ended": loading.ended}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_file(self._file, json.dumps(kept).encode())


def await_gap(
    checking: Callable[[], bool], loading: Loading | None, intervals: Collection[float], clock: Clock
) -> None:
    """Return when no check is under way (``checking``) and none is about to begin, or when that takes too long."""
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while (now := clock.monotonic()) < deadline:
        pauses = () if loading is None else [loading.pause(now, interval) for interval in intervals]
        pause = max(pauses, default=0.0)
        if not pause and not checking():
            return
        clock.sleep(max(pause, POLL_SECONDS))


def _digest(config: Any) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
