# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a container counts as healthy, and when waiting for it is pointless. Pure but for the waiter's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._core.clock import Clock
from .._core.errors import OpsError
from .runtime import Container, Engine

READY = "ready"
WAITING = "waiting"
FAILED = "failed"
MAX_RESTARTS = 2
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a container's state means: ready, waiting or failed, and why."""

    state: str
    reason: str


class NotReadyError(OpsError):
    """A container failed, or was not healthy in time."""

    def __init__(self, message: str, container: str) -> None:
        super().__init__(message)
        self.container = container


def verdict(container: Container, now: float, stable_for: float) -> Verdict:
    """Judge one container at ``now`` (seconds since the epoch)."""
    if container.status == "running" and container.health in ("healthy", "unhealthy"):
        return Verdict(READY if container.health == "healthy" else FAILED, f"its health check says {container.health}")
    if container.status == "running" and container.health is None and now - container.started >= stable_for:
        return Verdict(READY, f"running for {stable_for:g} s")
    if container.status in ("exited", "dead"):
        return _ended(container)
    if container.oom_killed and container.status != "running":
        return Verdict(FAILED, "it ran out of memory")
    if container.restart_count > MAX_RESTARTS:
        return Verdict(FAILED, f"it restarts over and over ({container.restart_count} times)")
    waiting_for = f"health {container.health}" if container.health else f"state {container.status}"
    return Verdict(WAITING, waiting_for)


def _ended(container: Container) -> Verdict:
    if container.oom_killed:
        return Verdict(FAILED, "it ran out of memory")
    if container.restart_policy in ("", "no") and container.exit_code == 0 and container.health is None:
        return Verdict(READY, "completed")
    return Verdict(FAILED, f"it exited with code {container.exit_code}")


def wait_ready(
    engine: Engine, clock: Clock, containers: Sequence[Container], *, timeout: float, stable_for: float
) -> None:
    """Return when all are ready. Raises NotReadyError at the first that failed, or after ``timeout`` seconds."""
    deadline = clock.monotonic() + timeout
    waiting = list(containers)
    while True:
        still: list[tuple[Container, Verdict]] = []
        for before in waiting:
            judged = _judge(engine, clock, before, stable_for)
            if judged.state == FAILED:
                raise NotReadyError(f"container {before.name} failed: {judged.reason}", before.id)
            if judged.state == WAITING:
                still.append((before, judged))
        if not still:
            return
        if clock.monotonic() >= deadline:
            first, judged = still[0]
            raise NotReadyError(
                f"container {first.name} is not ready after {timeout:g} s (option wait_timeout): {judged.reason}",
                first.id,
            )
        waiting = [container for container, _unused in still]
        clock.sleep(POLL_SECONDS)


def wait_completed(engine: Engine, clock: Clock, container: Container, *, timeout: float) -> None:
    """Return when a container has exited with code 0. Raises NotReadyError otherwise."""
    deadline = clock.monotonic() + timeout
    while True:
        now = engine.container(container.id)
        if now is None:
            raise NotReadyError(f"container {container.name} was removed by someone else", container.id)
        if now.status in ("exited", "dead"):
            if now.exit_code == 0 and not now.oom_killed:
                return
            why = "ran out of memory" if now.oom_killed else f"exited with code {now.exit_code}"
            raise NotReadyError(f"container {container.name} {why}", container.id)
        if clock.monotonic() >= deadline:
            raise NotReadyError(
                f"container {container.name} has not completed after {timeout:g} s (option wait_timeout)", container.id
            )
        clock.sleep(POLL_SECONDS)


def _judge(engine: Engine, clock: Clock, before: Container, stable_for: float) -> Verdict:
    container = engine.container(before.id)
    if container is None:
        return Verdict(FAILED, "it was removed by someone else")
    return verdict(container, clock.now().timestamp(), stable_for)
