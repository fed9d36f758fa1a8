# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Docker in memory: containers become healthy with time, and a run can be killed at any operation."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._core.jsonlines import JsonLines
from ansible_collections.keelson.ops.plugins.module_utils._rollout.confidential import Confidential
from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import Options, options_from
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy import ProxySetting, addresses
from ansible_collections.keelson.ops.plugins.module_utils._rollout.readiness import (
    FAILED,
    READY,
    NotReadyError,
    Verdict,
    completion,
    verdict_now,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.releases import ReleaseStore
from ansible_collections.keelson.ops.plugins.module_utils._rollout.rollout import Rollout
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Binding, Container, Image
from ansible_collections.keelson.ops.plugins.module_utils._rollout.steps import Tools
from ansible_collections.keelson.ops.plugins.module_utils._rollout.target import Targets
from ansible_collections.keelson.ops.plugins.module_utils._rollout.trail import Trail

BOOT_SECONDS = 2.0
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class KilledError(BaseException):
    """The process is gone; nothing below may catch it."""


@dataclass
class Calls:
    """Hooks that remember when they were called; those named in ``broken`` fail."""

    moments: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def run(self, moment: str, **facts: str) -> None:
        self.moments.append(moment)
        if moment in self.broken:
            raise OpsError(f"hooks.{moment}: false: exit code 1")


@dataclass
class World:
    """Clock, Engine and Compose at once; ``files`` is what the Compose files resolve to."""

    files: dict[str, Any]
    images: dict[str, str] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    stored: dict[str, Container] = field(default_factory=dict)
    seconds: float = 0.0
    operations: int = 0
    die_at: int | None = None
    hooks: Calls = field(default_factory=Calls)
    runs: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    sick_at: float | None = None
    least_serving: dict[str, int] = field(default_factory=dict)
    proxies: list[WorldProxy] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    deaf: bool = False
    busy: bool = False
    graces: list[float] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._look()

    def containers(self, project: str) -> tuple[Container, ...]:
        return tuple(self._aged(c) for c in sorted(self.stored.values(), key=lambda c: (c.service, c.number)))

    def container(self, container_id: str) -> Container | None:
        found = self.stored.get(container_id)
        return None if found is None else self._aged(found)

    def image(self, reference: str) -> Image | None:
        found = self.images.get(reference)
        return None if found is None else Image(found)

    def pull(self, reference: str) -> Image:
        raise OpsError(f"cannot pull image {reference}: no such thing")

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        self._operation()
        self.images[f"{repository}:{tag}"] = image_id

    def untag(self, reference: str) -> None:
        self._operation()
        self.images.pop(reference, None)

    def hears_stop(self, container: Container) -> bool:
        return not self.deaf

    def stop_all(self, timeouts: Mapping[str, float]) -> None:
        self.graces += timeouts.values()
        for container_id in timeouts:
            self._operation()
            if container_id in self.stored:
                self.stored[container_id] = replace(self.stored[container_id], status="exited", exit_code=143)
            self._look()
        for container_id in timeouts:
            self.remove(container_id)

    def remove(self, container_id: str) -> None:
        self._operation()
        self.stored.pop(container_id, None)
        self._look()

    def close(self, containers: Sequence[Container]) -> dict[str, str]:
        for container in containers:
            self._operation()
            self.closed.add(container.id)
            self._look()
        return {}

    def open(self, container: Container) -> None:
        self.closed.discard(container.id)

    def in_flight(self, containers: Sequence[Container]) -> int:
        return len(containers) if self.busy else 0

    def wait(
        self, containers: Sequence[Container], checks: Sequence[Mapping[str, Any]], *, timeout: float, stable_for: float
    ) -> None:
        """As the health engine does, but in the time of this world."""
        for container in containers:
            self._wait(container, lambda now: verdict_now(now, self.now().timestamp(), stable_for), timeout)
            if wrong := self.look(container, checks):
                raise NotReadyError(wrong, container.id)

    def wait_completed(self, container: Container, *, timeout: float) -> None:
        self._wait(container, completion, timeout)

    def _wait(self, container: Container, judge: Callable[[Container | None], Verdict], timeout: float) -> None:
        deadline = self.seconds + timeout
        while (judged := judge(self.container(container.id))).state != READY:
            if judged.state == FAILED or self.seconds >= deadline:
                raise NotReadyError(f"container {container.name} {judged.reason}", container.id)
            self.sleep(0.2)

    def look(self, container: Container, checks: Sequence[Mapping[str, Any]]) -> str | None:
        return "0 of 1 checks healthy" if {"fails_for": container.image_id} in checks else None

    def begin_health_test(self, container_id: str) -> str | None:
        return None

    def health_test(self, test: str) -> bool | None:
        return None

    def diagnose(self, container_id: str, lines: int) -> dict[str, object]:
        return {"container": container_id, "log": ["token is hunter2-secret"]}

    def serving(self, service: str) -> int:
        """How many containers of a service answer."""
        return sum(
            1 for c in self.containers("") if c.service == service and c.health == "healthy" and c.id not in self.closed
        )

    def _look(self) -> None:
        for service in self.least_serving:
            self.least_serving[service] = min(self.least_serving[service], self.serving(service))
        for proxy in self.proxies:
            self.lost += proxy.losses()

    def _operation(self) -> None:
        self.operations += 1
        if self.operations == self.die_at:
            raise KilledError

    def _aged(self, container: Container) -> Container:
        if container.status != "running":
            return container
        if container.service == "migrate":
            return replace(container, status="exited", exit_code=1 if container.image_id in self.sick else 0)
        age = START.timestamp() + self.seconds - container.started
        late = self.sick_at is not None and self.seconds >= self.sick_at and container.image_id == "sha256:web2"
        healthy = "unhealthy" if late or container.image_id in self.sick else "healthy"
        return replace(container, health="starting" if age < BOOT_SECONDS else healthy)


@dataclass
class WorldProxy:
    """A proxy with a file and what it has loaded; ``refuses`` is how often it does not take a new file."""

    world: World
    setting: ProxySetting
    file: tuple[str, ...] | None = None
    live: tuple[str, ...] = ()
    refuses: int = 0
    seen: list[tuple[str, ...]] = field(default_factory=list)

    def check(self, known: Sequence[str]) -> str | None:
        return None

    def current(self, known: Sequence[str]) -> tuple[str, ...] | None:
        return self.file

    def follows(self, upstreams: Sequence[str], known: Sequence[str]) -> bool:
        return self.file == tuple(upstreams)

    def route(self, upstreams: Sequence[str], known: Sequence[str], *, eager: bool) -> None:
        if self.refuses:
            self.refuses -= 1
            raise OpsError("proxy: nginx refuses it")
        self.world._operation()
        self.file = tuple(upstreams)
        self.world._operation()
        self.live = self.file
        self.seen.append(self.live)
        self.world._look()

    def idle(self) -> bool:
        return True

    def losses(self) -> list[str]:
        """Why a request that the proxy gets now could fail. It tries elsewhere only where it is refused at once."""
        reached = [c for c in self.world.containers("") if c.running and self._reaches(c)]
        unready = [
            f"{c.name} is {c.health}" for c in reached if c.health != "healthy" and c.id not in self.world.closed
        ]
        serving = [c for c in reached if c.id not in self.world.closed]
        return unready or ([] if serving else ["nobody serves"])

    def _reaches(self, container: Container) -> bool:
        if container.service != self.setting.service:
            return False
        return not set(self.live).isdisjoint(addresses(self.setting, [container]))


class WorldCompose:
    """docker compose over one resolved project."""

    def __init__(self, world: World, resolved: Mapping[str, Any] | Path) -> None:
        self.world = world
        self._resolved = resolved

    def config(self) -> dict[str, Any]:
        if isinstance(self._resolved, Path):
            return dict(json.loads(self._resolved.read_text(encoding="utf-8")))
        return copy.deepcopy(dict(self._resolved))

    def overlaid(self, images: Mapping[str, str]) -> WorldCompose:
        if not images:
            return self
        resolved = self.config()
        for name, image in images.items():
            resolved["services"][name]["image"] = image
        return WorldCompose(self.world, resolved)

    def hashes(self, resolved: Mapping[str, Any]) -> dict[str, str]:
        def hash_of(spec: Mapping[str, Any]) -> str:
            return repr(sorted((k, repr(v)) for k, v in spec.items() if k != "scale"))

        return {name: hash_of(spec) for name, spec in resolved["services"].items()}

    def defined(self) -> set[str]:
        return set(self.config()["services"]) | set(self.world.disabled)

    def create(self, service: str, counts: Mapping[str, int], *, recreate: bool) -> None:
        world, resolved = self.world, self.config()
        if recreate:
            for container in [c for c in world.stored.values() if c.service == service]:
                world.remove(container.id)
        while len(own := [c for c in world.stored.values() if c.service == service]) < counts[service]:
            world._operation()
            number = max((c.number for c in own), default=0) + 1
            image = world.images[resolved["services"][service]["image"]]
            identity = f"{service}-{number}-{world.operations}"
            world.stored[identity] = Container(
                identity, f"p-{service}-{number}", service, number, self.hashes(resolved)[service], image, "created",
                created=world.now().timestamp(), stop_timeout=5,
            )  # fmt: skip

    def start(self, service: str, count: int) -> None:
        if not self.config()["services"][service].get("depends_on"):
            self.create(service, {service: count}, recreate=False)
        for container in list(self.world.stored.values()):
            if container.service == service and container.status == "created":
                self.world._operation()
                self._start(container)

    def _start(self, container: Container) -> None:
        """Addresses are never given twice, ports of the range are."""
        world = self.world
        taken = {binding.host_port for c in world.stored.values() if c.running for binding in c.bindings}
        ports = self.config()["services"][container.service].get("ports") or ()
        bindings = [
            Binding(entry["target"], "127.0.0.1", next(port for port in range(first, last + 1) if port not in taken))
            for entry in ports
            for first, last in [map(int, entry["published"].split("-"))]
        ]
        world.stored[container.id] = replace(
            container,
            status="running",
            started=world.now().timestamp(),
            address=f"10.0.0.{world.operations}",
            bindings=tuple(bindings),
        )
        world._look()

    def run(self, service: str, command: tuple[str, ...], *, timeout: float) -> None:
        self.world._operation()
        self.world.runs.append(f"{service} {' '.join(command)}")
        if "fail" in command:
            raise OpsError("docker: exit code 1")


def files(version: str = "v1", **web: Any) -> dict[str, Any]:
    """A project of web (two replicas), behind db and a migration."""
    return {
        "name": "p",
        "services": {
            "web": {
                "image": f"web:{version}",
                "scale": 2,
                "depends_on": {
                    "db": {"condition": "service_started"},
                    "migrate": {"condition": "service_completed_successfully"},
                },
                "environment": {"TOKEN": "hunter2-secret"},
                **web,
            },
            "migrate": {"image": f"web:{version}", "depends_on": {"db": {"condition": "service_healthy"}}},
            "db": {"image": "db:1", "container_name": "only"},
        },
    }


def images() -> dict[str, str]:
    return {"web:v1": "sha256:web1", "web:v2": "sha256:web2", "web:bad": "sha256:bad", "db:1": "sha256:db1"}


def options(directory: Path, **params: Any) -> Options:
    defaults: dict[str, Any] = {
        "state": "deployed",
        "project": "p",
        "project_directory": str(directory),
        "files": ["compose.yaml"],
        "env_files": [],
        "profiles": [],
        "services": [],
        "service_settings": [],
        "version": None,
        "release": "previous",
        "pull": "missing",
        "wait_timeout": None,
        "stable_for": None,
        "drain_delay": None,
        "drain_timeout": None,
        "watch": None,
        "hooks": {},
        "proxy": None,
        "registry": [],
        "remove_orphans": False,
        "probe": None,
        "keep_releases": 5,
        "lock_timeout": 0.0,
        "release_directory": str(directory / "releases"),
        "audit_log": str(directory / "audit.jsonl"),
        "metrics_directory": str(directory / "metrics"),
    }
    return options_from({**defaults, **params})


def rollout(world: World, directory: Path, **params: Any) -> Rollout:
    """The engine over the world, as the module would make it."""
    chosen = options(directory, **params)
    chosen.release_directory.mkdir(exist_ok=True)
    store = ReleaseStore(chosen.release_directory)
    confidential = Confidential()
    composes = WorldCompose(world, world.files), lambda path, _: WorldCompose(world, path)
    targets = Targets(chosen, *composes, world, store, confidential=confidential)
    trail = Trail(JsonLines(chosen.release_directory / "journal.jsonl"), world, world.told.append)
    tools = Tools(
        engine=world, gate=world, checker=world, hooks=world.hooks, clock=world, trail=trail,
        proxies=tuple(world.proxies),
    )  # fmt: skip
    return Rollout(chosen, targets=targets, store=store, tools=tools, confidential=confidential)
