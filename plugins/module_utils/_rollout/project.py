# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project that is to run: a pure reading of what ``docker compose config`` resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OpsError

COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Host ports from ``first`` on that one container port is published on; ``size`` replicas fit.

    ``target`` is the container's port, 0 for one that is not TCP.
    """

    text: str
    size: int
    loopback: bool = False
    target: int = 0
    first: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """Secrets and configs of a service: what Compose's own hash does not see.

    ``changed_at`` is the newest modification time of their files, in seconds since the epoch.
    """

    digest: str = ""
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it is to run."""

    name: str
    image: str
    replicas: int = 1
    config_hash: str = ""
    once: bool = False
    container_name: str | None = None
    ports: tuple[PortRange, ...] = ()
    network_mode: str | None = None
    fixed_address: bool = False
    writable_volumes: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    builds: bool = False
    content: Content = field(default_factory=Content)


@dataclass(frozen=True, slots=True)
class Project:
    """All enabled services by name, and the resolved text they come from."""

    name: str
    services: Mapping[str, Service]
    resolved: Mapping[str, Any]


def read_project(
    resolved: Mapping[str, Any],
    hashes: Mapping[str, str],
    contents: Mapping[str, Content],
    replicas: Mapping[str, int | None],
) -> Project:
    """The typed project from ``config --format json``, ``config --hash`` and the digests of its files."""
    raw = resolved.get("services") or {}
    if not raw:
        raise OpsError("the Compose files define no service that is enabled; check the options files and profiles")
    once = _once(raw)
    services = {
        name: _service(
            name,
            str(resolved["name"]),
            spec,
            once=name in once,
            replicas=replicas.get(name),
            config_hash=hashes[name],
            content=contents[name],
        )
        for name, spec in raw.items()
    }
    return Project(str(resolved["name"]), services, resolved)


def in_order(project: Project, wanted: Iterable[str]) -> tuple[str, ...]:
    """``wanted`` services (all when empty), each after those it depends on. Raises OpsError for an unknown one."""
    names = tuple(wanted) or tuple(project.services)
    unknown = sorted(set(names) - set(project.services))
    if unknown:
        known = ", ".join(sorted(project.services))
        raise OpsError(
            f"services: {', '.join(unknown)} not in the project; it has {known}. "
            "A service of a profile counts only when the option profiles enables it"
        )
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in ordered or name not in project.services:
            return
        for dependency in project.services[name].depends_on:
            visit(dependency)
        ordered.append(name)

    for name in sorted(project.services):
        visit(name)
    return tuple(name for name in ordered if name in names)


def _once(raw: Mapping[str, Any]) -> set[str]:
    return {
        dependency
        for spec in raw.values()
        for dependency, condition in (spec.get("depends_on") or {}).items()
        if condition.get("condition") == COMPLETED
    }


def _service(
    name: str,
    project: str,
    spec: Mapping[str, Any],
    *,
    once: bool,
    replicas: int | None,
    config_hash: str,
    content: Content,
) -> Service:
    networks = (spec.get("networks") or {}).values()
    return Service(
        name=name,
        image=spec.get("image") or f"{project}-{name}",
        replicas=_replicas(spec) if replicas is None else replicas,
        config_hash=config_hash,
        once=once,
        container_name=spec.get("container_name"),
        ports=tuple(_ports(spec.get("ports") or ())),
        network_mode=spec.get("network_mode"),
        fixed_address=any(net and (net.get("ipv4_address") or net.get("ipv6_address")) for net in networks),
        writable_volumes=tuple(
            volume.get("source") or volume["target"]
            for volume in spec.get("volumes") or ()
            if volume.get("type") == "volume" and not volume.get("read_only")
        ),
        depends_on=tuple(sorted(spec.get("depends_on") or ())),
        builds="build" in spec,
        content=content,
    )


def _replicas(spec: Mapping[str, Any]) -> int:
    if "scale" in spec:
        return int(spec["scale"])
    declared = (spec.get("deploy") or {}).get("replicas")
    return 1 if declared is None else int(declared)


def _ports(entries: Iterable[Mapping[str, Any]]) -> Iterable[PortRange]:
    for entry in entries:
        published = str(entry.get("published") or "")
        if not published or published == "0":
            continue
        first, _unused, last = published.partition("-")
        size = int(last) - int(first) + 1 if last else 1
        host = entry.get("host_ip")
        local = bool(host) and (str(host).startswith("127.") or host == "::1")
        target = int(entry.get("target") or 0) if entry.get("protocol", "tcp") == "tcp" else 0
        text = f"{host + ':' if host else ''}{published}:{entry.get('target')}"
        yield PortRange(text, size, local, target, int(first), str(host or ""))


def dependencies(project: Project, service: str) -> set[str]:
    """All services that ``service`` depends on, directly or through others."""
    found: set[str] = set()
    open_ends = [service]
    while open_ends:
        for name in project.services[open_ends.pop()].depends_on:
            if name in project.services and name not in found:
                found.add(name)
                open_ends.append(name)
    return found
