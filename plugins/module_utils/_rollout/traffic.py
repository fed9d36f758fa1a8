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
        self._left: dict[str, float] = {}

    def leave(self, containers: Iterable[Container]) -> None:
        """Nobody sends them new requests from now on."""
        now = self._clock.monotonic()
        for container in containers:
            self._left.setdefault(container.id, now)

    def divert(self, containers: Sequence[Container], timeout: float) -> None:
        """Refuse new connections to all of them, then wait until none has a request under way."""
        if not self._gated or not containers:
            return
        with self._trail.step("drain", self._service, containers=[container.name for container in containers]):
            refused = self._gate.close(containers)
            for name, reason in refused.items():
                self._trail.warn(f"new connections to {name} could not be refused: {reason}")
            self.leave(container for container in containers if container.name not in refused)
            self.finish(containers, timeout)

    def finish(self, containers: Sequence[Container], timeout: float, *, at_least: float = 0.0) -> None:
        """Wait until no container has a request under way, and not less than ``at_least`` seconds."""
        began = self._clock.monotonic()
        while (passed := self._clock.monotonic() - began) < timeout:
            if not self._gate.in_flight(containers) and passed >= at_least:
                return
            self._clock.sleep(POLL_SECONDS)
        for container in containers:
            self._left.pop(container.id, None)

    def admit(self, containers: Iterable[Container]) -> None:
        """Let requests in again."""
        for container in containers if self._gated else ():
            self._gate.open(container)

    def stop(self, containers: Sequence[Container]) -> None:
        """Stop all at once, each with its own grace period, and remove them."""
        if not containers:
            return
        grace = {container.id: self._grace(container) for container in containers}
        with self._trail.step("stop", self._service, containers=[container.name for container in containers]):
            self._engine.stop_all(grace)

    def _grace(self, container: Container) -> float:
        """Seconds until it is killed.

        The period of one that does not hear its stop signal began when it got its last new request: it goes on as
        before in any case, and nothing is under way.
        """
        whole = DEFAULT_GRACE if container.stop_timeout is None else container.stop_timeout
        left = self._left.get(container.id)
        if left is None or self._engine.hears_stop(container):
            return whole
        return max(0.0, whole - (self._clock.monotonic() - left))

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
