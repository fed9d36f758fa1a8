# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker: a container, or every container of a Compose service, runs and is healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._core.errors import OpsError
from ..options import Declarations, at_least
from ..outcome import UnhealthyError
from ..restarts import Restarts

OPTIONS: Declarations = {
    "container": {"type": "str"},
    "project": {"type": "str"},
    "service": {"type": "str"},
    "replicas": {"type": "int", "default": 1},
    "health": {"type": "str", "choices": ["auto", "required", "ignored"], "default": "auto"},
    "max_restarts": {"type": "int"},
    "fail_fast": {
        "type": "list",
        "elements": "str",
        "choices": ["exited", "oom_killed", "restart_loop", "unhealthy"],
        "default": ["exited", "oom_killed", "restart_loop", "unhealthy"],
    },
    "docker_host": {"type": "str"},
}
_OUTPUT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class DockerTarget:
    """A container by name or id, or the containers of a Compose service.

    ``health``: ``auto`` asks it of containers that have a health check. ``fail_fast`` lists what is final instead of
    worth waiting for.
    """

    kind: ClassVar[str] = "docker"

    container: str | None = None
    project: str | None = None
    service: str | None = None
    replicas: int = 1
    health: str = "auto"
    max_restarts: int | None = None
    fail_fast: tuple[str, ...] = ("exited", "oom_killed", "restart_loop", "unhealthy")
    docker_host: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return self.container or f"{self.project}/{self.service}"


@dataclass(frozen=True, slots=True)
class Container:
    """What the Engine says of one container. ``health`` is empty for one without a health check."""

    name: str
    status: str
    exit_code: int
    oom_killed: bool
    restarts: int
    health: str
    health_output: str

    @classmethod
    def from_inspect(cls, answer: Mapping[str, Any]) -> Container:
        """The container that an inspect answer describes."""
        state = answer["State"]
        health = state.get("Health") or {}
        log = health.get("Log") or [{}]
        status = health.get("Status", "")
        return cls(
            name=str(answer["Name"]).lstrip("/"),
            status=state["Status"],
            exit_code=state["ExitCode"],
            oom_killed=bool(state.get("OOMKilled")),
            restarts=answer.get("RestartCount") or 0,
            health="" if status == "none" else status,
            health_output=" ".join(str(log[-1].get("Output", "")).split())[-_OUTPUT_SHOWN:],
        )


def parse(options: Mapping[str, Any], where: str) -> DockerTarget:
    """The target that ``options`` describe. Raises OpsError."""
    given = tuple(options[name] is not None for name in ("container", "project", "service"))
    if given not in ((True, False, False), (False, True, True)):
        raise OpsError(f"{where}: needs either container, or both project and service of Compose")
    at_least(options["replicas"], 1, f"{where}.replicas")
    at_least(options["max_restarts"], 0, f"{where}.max_restarts")
    return DockerTarget(**options)


def judge(containers: Sequence[Container], target: DockerTarget, seen: dict[str, Restarts]) -> str:
    """What the containers' states mean, in words; ``seen`` keeps restart counts by name between attempts.

    Raises UnhealthyError with the first reason found; a fatal one goes before others.
    """
    if not containers:
        raise UnhealthyError("no such container", answered=False)
    reasons: list[UnhealthyError] = []
    for container in containers:
        try:
            _judge_one(container, target, seen.setdefault(container.name, Restarts()))
        except UnhealthyError as error:
            reasons.append(error)
    if reasons:
        raise next((reason for reason in reasons if reason.outcome.fatal), reasons[0])
    if len(containers) < target.replicas:
        raise UnhealthyError(f"{len(containers)} of {target.replicas} replicas exist")
    return ", ".join(f"{c.name} is {c.status}" + (f" and {c.health}" if c.health else "") for c in containers)


def _judge_one(container: Container, target: DockerTarget, restarts: Restarts) -> None:
    def fail(words: str, condition: str | None = None, *, answered: bool = True) -> UnhealthyError:
        return UnhealthyError(f"{container.name} {words}", answered=answered, fatal=condition in target.fail_fast)

    running = container.status == "running"
    if container.oom_killed and not running:
        raise fail(f"was killed: out of memory (exit code {container.exit_code})", "oom_killed")
    if container.status in ("exited", "dead", "removing"):
        raise fail(f"is {container.status} (exit code {container.exit_code})", "exited")
    try:
        restarts.check(container.restarts, fail_fast="restart_loop" in target.fail_fast)
    except UnhealthyError as error:
        words = f"{container.name}: {error.outcome.words} (last exit code {container.exit_code})"
        raise UnhealthyError(words, fatal=error.outcome.fatal) from None
    if target.max_restarts is not None and container.restarts > target.max_restarts:
        raise fail(f"has restarted {container.restarts} times, at most {target.max_restarts} allowed", "restart_loop")
    if not running:
        raise fail(f"is {container.status} (exit code {container.exit_code})", answered=False)
    if target.health == "ignored" or (target.health == "auto" and not container.health):
        return
    if not container.health:
        raise fail("has no health check")
    if container.health != "healthy":
        said = f": {container.health_output}" if container.health_output else ""
        raise fail(f"is {container.health}{said}", "unhealthy" if container.health == "unhealthy" else None)
