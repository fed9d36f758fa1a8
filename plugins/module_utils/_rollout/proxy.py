# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proxy in front of a service is told: which upstreams, in which words. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .._core.errors import OpsError
from .project import PortRange, Service
from .runtime import Container

NGINX = "nginx"
CADDY = "caddy"
PUBLISHED = "published"
CONTAINER = "container"
ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, never bound to
OWN_NGINX = ("nginx",)
NOWHERE = "127.0.0.1:9"
"""Stands in where nginx wants an upstream and there is none."""
WITHOUT_SPARES = frozenset({"hash", "ip_hash", "random"})
"""Balancing of nginx that knows no C(backup)."""


@dataclass(frozen=True, slots=True)
class ProxySetting:
    """One proxy in front of one service. ``port`` is the container's; ``file`` is None where nothing is kept."""

    type: str
    service: str
    port: int
    address: str = PUBLISHED
    name: str = ""
    file: Path | None = None
    directives: tuple[str, ...] = ()
    command: tuple[str, ...] = OWN_NGINX
    pid_file: Path = Path("/run/nginx.pid")
    admin: str = "http://localhost:2019"
    id: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.type} in front of {self.service}"

    @property
    def spares(self) -> bool:
        """Whether it can hold addresses in reserve that get no request while another one answers."""
        balancing = {words[0] for directive in self.directives if (words := directive.rstrip(";").split())}
        return self.type == NGINX and self.address == PUBLISHED and not balancing & WITHOUT_SPARES


class Proxy(Protocol):
    """A proxy on this host, or one with an administration endpoint. Addresses are ``host:port``."""

    @property
    def setting(self) -> ProxySetting:
        """What the user said of it."""

    def check(self, known: Sequence[str]) -> str | None:
        """Advice on how it is set up, if any. Raises OpsError when the proxy could not be switched now."""

    def current(self, known: Sequence[str]) -> tuple[str, ...] | None:
        """Where requests go, as far as can be seen; None when that is nowhere yet."""

    def follows(self, upstreams: Sequence[str], known: Sequence[str]) -> bool:
        """Whether nothing had to change for ``upstreams``."""

    def route(self, upstreams: Sequence[str], known: Sequence[str], *, eager: bool) -> None:
        """Send new requests to exactly ``upstreams``, from now on and after a restart of the proxy.

        ``known`` are all addresses that can be this service's. Without ``eager`` a proxy that does not run is content
        with what it will read when it starts. Raises OpsError; requests then go where they went before.
        """

    def idle(self) -> bool | None:
        """Whether whatever worked with the former upstreams has ended; None when that cannot be seen."""


def addresses(setting: ProxySetting, containers: Iterable[Container]) -> tuple[str, ...]:
    """Where the proxy reaches the running ones of these containers. Raises OpsError when it cannot."""
    return tuple(_address(setting, container) for container in containers if container.running)


def reachable(setting: ProxySetting, containers: Iterable[Container]) -> tuple[str, ...]:
    """``addresses`` without those that the proxy cannot reach, such as of a release that published no port yet."""
    found: list[str] = []
    for container in containers:
        with contextlib.suppress(OpsError):
            found += addresses(setting, (container,))
    return tuple(found)


def possible(setting: ProxySetting, service: Service) -> tuple[str, ...]:
    """Every address that a container can have, whoever has it now; none where these cannot be known before."""
    if setting.address == CONTAINER:
        return ()
    ports = _range(setting, service)
    host = "127.0.0.1" if ports.host in ANY_ADDRESS else ports.host
    return tuple(_join(host, port) for port in range(ports.first, ports.first + ports.size))


def settled(setting: ProxySetting, service: Service, containers: Iterable[Container]) -> tuple[str, ...]:
    """The upstreams between deployments.

    Which of the published ports a container gets after a reboot is up to Docker: the others are held in reserve, or
    are upstreams too where the proxy has no reserve. A port that nobody listens on refuses at once.
    """
    if setting.address == CONTAINER:
        return addresses(setting, containers)
    return reachable(setting, containers) if setting.spares else possible(setting, service)


def check_service(setting: ProxySetting, service: Service) -> None:
    """Raises OpsError when a proxy could never reach this service as the option says."""
    if setting.address == PUBLISHED:
        _range(setting, service)
    elif service.network_mode in ("host", "none"):
        raise OpsError(
            f"proxy: service {service.name} has network_mode {service.network_mode}, so that its containers have no "
            "address of their own; publish ports and use address: published"
        )


def nginx_text(setting: ProxySetting, project: str, upstreams: Sequence[str], known: Sequence[str]) -> str:
    """The file that nginx includes. Of the addresses ``known`` those that are no upstreams are its spares.

    nginx leaves an upstream out for ten seconds after one failure, unless it is the only one. With spares beside it
    that has to be said, or nobody would be served in these seconds.
    """
    spares = sorted(set(known) - set(upstreams), key=_by_port) if setting.spares else []
    alone = " max_fails=0" if spares and len(upstreams) == 1 else ""
    servers = [f"    server {address}{alone};" for address in upstreams] or [f"    server {NOWHERE} down;"]
    servers += [f"    server {address} backup;" for address in spares]
    extra = [f"    {directive.rstrip(';')};" for directive in setting.directives]
    lines = [_header(setting, project), f"upstream {setting.name} {{", *extra, *servers, "}"]
    return "\n".join(lines) + "\n"


def caddy_text(setting: ProxySetting, project: str, upstreams: Sequence[str]) -> str:
    """The file that a Caddyfile imports inside ``reverse_proxy``."""
    lines = [_header(setting, project)]
    if upstreams:
        lines.append(f"to {' '.join(upstreams)}")
    return "\n".join(lines) + "\n"


def upstreams_in(text: str) -> tuple[str, ...]:
    """The upstreams that a file of ours names, of either kind, without spares."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.strip().rstrip(";").split()
        if words[:1] == ["server"] and words[-1] not in {"down", "backup"}:
            found += words[1:2]
        elif words[:1] == ["to"]:
            found += words[1:]
    return tuple(found)


def _header(setting: ProxySetting, project: str) -> str:
    return (
        f"# Service {setting.service} of Compose project {project}. "
        "Written by keelson.ops.compose_rollout at every deployment; changes made here are lost."
    )


def _address(setting: ProxySetting, container: Container) -> str:
    if setting.address == CONTAINER:
        if not container.address:
            raise OpsError(f"proxy: container {container.name} has no address; use address: published")
        return _join(container.address, setting.port)
    for binding in container.bindings:
        if binding.port == setting.port:
            return _join("127.0.0.1" if binding.host in ANY_ADDRESS else binding.host, binding.host_port)
    raise OpsError(f"proxy: container {container.name} does not publish port {setting.port}")


def _range(setting: ProxySetting, service: Service) -> PortRange:
    for ports in service.ports:
        if ports.target == setting.port:
            return ports
    raise OpsError(
        f"proxy: service {service.name} does not publish container port {setting.port} on host ports of its own. "
        f"Publish a range with room for the old and the new replicas (such as 127.0.0.1:8001-"
        f"{8000 + 2 * max(service.replicas, 1)}:{setting.port}), or set address: container",
        service=service.name,
    )


def _by_port(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host, int(port)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
