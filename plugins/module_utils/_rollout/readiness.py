# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a container counts as healthy, and when waiting for it is pointless. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import OpsError
from .runtime import Container

READY = "ready"
WAITING = "waiting"
FAILED = "failed"
MAX_RESTARTS = 2
REMOVED = "it was removed by someone else"


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


def verdict_now(container: Container | None, now: float, stable_for: float) -> Verdict:
    """``verdict`` on a container that may be gone."""
    return Verdict(FAILED, REMOVED) if container is None else verdict(container, now, stable_for)


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


def completion(container: Container | None) -> Verdict:
    """Judge a container that is to run once and end well; None when it is gone."""
    if container is None:
        return Verdict(FAILED, REMOVED)
    if container.status not in ("exited", "dead"):
        return Verdict(WAITING, f"state {container.status}")
    if container.oom_killed:
        return Verdict(FAILED, "ran out of memory")
    return (
        Verdict(READY, "completed")
        if container.exit_code == 0
        else Verdict(FAILED, f"exited with code {container.exit_code}")
    )
