# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollout sees of Docker, and the two small doors through which it acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Binding:
    """A TCP port of a container that a port of the host leads to. ``host`` may be empty or any address."""

    port: int
    host: str
    host_port: int


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a Compose service as the Engine reports it. Times are seconds since the epoch."""

    id: str
    name: str
    service: str
    number: int
    config_hash: str
    image_id: str
    status: str
    health: str | None = None
    exit_code: int = 0
    oom_killed: bool = False
    restart_count: int = 0
    restart_policy: str = "no"
    created: float = 0.0
    started: float = 0.0
    stop_timeout: float | None = None
    stop_signal: str = "SIGTERM"
    pid: int = 0
    address: str = ""
    anonymous_volumes: bool = False
    bindings: tuple[Binding, ...] = ()

    @property
    def running(self) -> bool:
        return self.status in ("running", "restarting", "paused")


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this host; ``digests`` are the registry's names for it."""

    id: str
    digests: tuple[str, ...] = ()


class Engine(Protocol):
    """The Docker Engine. Every method raises OpsError when the Engine does not answer or refuses."""

    def containers(self, project: str) -> tuple[Container, ...]:
        """All containers of the project's services, stopped ones too, one-off runs not."""

    def container(self, container_id: str) -> Container | None:
        """One container as it is now; None when it is gone."""

    def image(self, reference: str) -> Image | None:
        """The image that ``reference`` resolves to on this host."""

    def pull(self, reference: str) -> Image:
        """Fetch ``reference`` from its registry."""

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Give a local image one more name."""

    def untag(self, reference: str) -> None:
        """Take a name away; the image goes with its last name. Nothing happens when it has gone or is in use."""

    def hears_stop(self, container: Container) -> bool:
        """Whether a running container does anything on its stop signal; True when that cannot be seen."""

    def stop_all(self, timeouts: Mapping[str, float]) -> None:
        """Ask containers to stop, all at once, each by id killed after its seconds, and remove them.

        Nothing happens to one that has gone. When one cannot be stopped or removed the others are all the same.
        """

    def remove(self, container_id: str) -> None:
        """Remove a container, killing it when it still runs. Nothing happens when it has gone."""

    def begin_health_test(self, container_id: str) -> str | None:
        """Run the test of a container's own health check once, without waiting; None when there is none to run."""

    def health_test(self, test: str) -> bool | None:
        """Whether such a test has passed; None while it runs."""

    def diagnose(self, container_id: str, lines: int) -> dict[str, object]:
        """Raw state, health log and last log lines of a container, not masked; empty when it has gone."""


class Gate(Protocol):
    """Keeps new connections away from containers that still run."""

    def close(self, containers: Sequence[Container]) -> Mapping[str, str]:
        """Refuse new connections from outside; by name, why that cannot be done for a container on this host."""

    def open(self, container: Container) -> None:
        """Let connections in again; nothing happens when the gate was never closed."""

    def in_flight(self, containers: Sequence[Container]) -> int:
        """How many connections to any of them carry a request; none to one that has gone."""


class ComposeCli(Protocol):
    """``docker compose`` for one project; the only interpreter of Compose files."""

    def config(self) -> dict[str, Any]:
        """The resolved project. Raises OpsError when the files are not valid."""

    def overlaid(self, images: Mapping[str, str]) -> ComposeCli:
        """The same project with these images of services."""

    def hashes(self, resolved: Mapping[str, Any]) -> dict[str, str]:
        """The hash that Compose labels a container of each service with."""

    def defined(self) -> set[str]:
        """The names of all services, those of every profile too."""

    def create(self, service: str, counts: Mapping[str, int], *, recreate: bool) -> None:
        """Create containers of one service up to its count, without starting them.

        ``counts`` names the service and all that it depends on, which keep theirs. With ``recreate`` the existing
        containers of the service are stopped and replaced, and so are those of dependencies that differ.
        """

    def start(self, service: str, count: int) -> None:
        """Start the containers of one service that do not run.

        Of a service that depends on no other, those that are missing are created too.
        """

    def run(self, service: str, command: tuple[str, ...], *, timeout: float) -> None:
        """Run a command to its end in a container of its own. Raises OpsError when it fails."""
