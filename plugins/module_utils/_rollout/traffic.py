# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets new requests: containers are taken out of service, watched, let in again, and stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._core.clock import Clock
from .readiness import FAILED, NotReadyError, verdict_now
from .runtime import Container, Engine, Gate
from .trail import Trail

DEFAULT_GRACE = 10.0
POLL_SECONDS = 0.05
WATCH_SECONDS = 0.5


class Traffic:
    """Moves requests between containers of one service by their gates."""

    def __init__(self, service: str, *, gated: bool, engine: Engine, gate: Gate, clock: Clock, trail: Trail) -> None:
        self._service = service
        self._gated = gated
        self._engine = engine
        self._gate = gate
        self._clock = clock
        self._trail = trail

    def divert(self, containers: Sequence[Container], timeout: float) -> None:
        """Refuse new connections to all of them, then wait until none has a request under way."""
        if not self._gated or not containers:
            return
        with self._trail.step("drain", self._service, containers=[container.name for container in containers]):
            for name, reason in self._gate.close(containers).items():
                self._trail.warn(f"new connections to {name} could not be refused: {reason}")
            self.finish(containers, timeout)

    def finish(self, containers: Sequence[Container], timeout: float, *, at_least: float = 0.0) -> None:
        """Wait until no container has a request under way, and not less than ``at_least`` seconds."""
        began = self._clock.monotonic()
        while (passed := self._clock.monotonic() - began) < timeout:
            if not self._gate.in_flight(containers) and passed >= at_least:
                return
            self._clock.sleep(POLL_SECONDS)

    def admit(self, containers: Iterable[Container]) -> None:
        """Let requests in again."""
        for container in containers if self._gated else ():
            self._gate.open(container)

    def stop(self, containers: Sequence[Container]) -> None:
        """Stop all at once, each with its own grace period, and remove them."""
        if not containers:
            return
        grace = {c.id: DEFAULT_GRACE if c.stop_timeout is None else c.stop_timeout for c in containers}
        with self._trail.step("stop", self._service, containers=[container.name for container in containers]):
            self._engine.stop_all(grace)

    def watch(self, containers: Sequence[Container], seconds: float, stable_for: float) -> None:
        """Look at containers that have begun to serve. Raises NotReadyError as soon as one fails or restarts."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline:
            for before in containers:
                now = self._engine.container(before.id)
                judged = verdict_now(now, self._clock.now().timestamp(), stable_for)
                if judged.state == FAILED:
                    reason = f"container {before.name} failed while it was watched: {judged.reason}"
                    raise NotReadyError(reason, before.id)
                if now is not None and now.restart_count > before.restart_count:
                    raise NotReadyError(f"container {now.name} restarted while it was watched", now.id)
            self._clock.sleep(WATCH_SECONDS)
