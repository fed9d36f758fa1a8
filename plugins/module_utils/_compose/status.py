# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs where, out of the Engine's inspect documents and the kept releases, as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.table import table as aligned

LABEL = "com.docker.compose."
HOST_HEAD = ("HOST", "SYSTEM", "UP", "LOAD", "MEMORY USED", "DISK USED")
HEAD = ("HOST", "PROJECT", "RELEASE", "VERSION", "SERVICE", "RUNNING", "STATE", "IMAGE")


@dataclass(frozen=True, slots=True)
class Row:
    """One service of one host. ``wanted`` is None when no release says how many there should be."""

    host: str
    project: str
    release: str
    version: str
    service: str
    running: int
    wanted: int | None
    states: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether it ran to its end, as a migration does."""
        return bool(self.states) and set(self.states) == {"done"}

    @property
    def problem(self) -> str | None:
        """What is wrong, in words."""
        if self.done:
            return None
        bad = sorted(set(self.states) - {"healthy", "running", "done"})
        if bad:
            return f"{self.service} on {self.host}: {', '.join(bad)}"
        if self.wanted is not None and self.running != self.wanted:
            return f"{self.service} on {self.host}: {self.running} running, {self.wanted} wanted"
        return None

    def cells(self) -> tuple[str, ...]:
        count = "-" if self.done else str(self.running) if self.wanted is None else f"{self.running}/{self.wanted}"
        states = [f"{self.states.count(state)} {state}" for state in sorted(set(self.states))]
        state = self.states[0] if len(set(self.states)) == 1 else ", ".join(states) or "missing"
        return (
            self.host, self.project, self.release, self.version, self.service, count, state, ", ".join(self.images),
        )  # fmt: skip


def rows(
    host: str, containers: Iterable[Mapping[str, Any]], releases: Mapping[str, Mapping[str, Any]], project: str = ""
) -> list[Row]:
    """A row per service. ``releases`` maps projects to what compose_release_info returned."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for name, info in releases.items():
        for service in _current(info).get("services") or {}:
            groups.setdefault((name, service), [])
    for container in containers:
        labels = (container.get("Config") or {}).get("Labels") or {}
        if labels.get(f"{LABEL}project") and labels.get(f"{LABEL}oneoff", "False") == "False":
            key = (str(labels[f"{LABEL}project"]), str(labels.get(f"{LABEL}service", "")))
            groups.setdefault(key, []).append(container)
    wanted = {key: own for key, own in groups.items() if project in ("", key[0])}
    return [_row(host, *key, own, _current(releases.get(key[0]) or {})) for key, own in sorted(wanted.items())]


def host_cells(host: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """A host's line out of Ansible's facts; what they lack is a dash. Of the disks the fullest counts."""
    memory = (facts.get("ansible_memory_mb") or {}).get("nocache") or {}
    disks = [mount for mount in facts.get("ansible_mounts") or () if int(mount.get("size_total") or 0)]
    shares = [1 - int(mount.get("size_available") or 0) / int(mount["size_total"]) for mount in disks]
    used = int(memory.get("used") or 0)
    free = int(memory.get("free") or 0)
    load = (facts.get("ansible_loadavg") or {}).get("1m")
    return (
        host,
        f"{facts.get('ansible_distribution', '')} {facts.get('ansible_distribution_version', '')}".strip() or "-",
        _duration(int(facts.get("ansible_uptime_seconds") or 0)),
        "-" if load is None else f"{float(load):.1f}",
        f"{used / (used + free):.0%}" if used + free else "-",
        f"{max(shares):.0%}" if shares else "-",
    )


def table(hosts: Sequence[tuple[str, ...]], found: Sequence[Row], silent: Mapping[str, str]) -> list[str]:
    """Hosts and services as aligned lines, then what is wrong. ``silent`` maps hosts without an answer to why."""
    lines = [*aligned(HOST_HEAD, hosts), ""] if hosts else []
    lines += [*aligned(HEAD, [row.cells() for row in found]), ""] if found else []
    problems = [row.problem for row in found if row.problem]
    problems += [f"{host}: {reason}" for host, reason in sorted(silent.items())]
    if not problems:
        return [*lines, "everything runs as released" if found else "no Compose project runs here"]
    return [*lines, f"{len(problems)} problem{'s' if len(problems) > 1 else ''}:", *(f"  {p}" for p in problems)]


def _duration(seconds: int) -> str:
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _row(host: str, project: str, service: str, own: Sequence[Mapping[str, Any]], release: Mapping[str, Any]) -> Row:
    record = (release.get("services") or {}).get(service)
    return Row(
        host=host,
        project=project,
        release=str(release.get("number") or "-"),
        version=str(release.get("version") or "-"),
        service=service,
        running=sum(1 for container in own if container["State"].get("Running")),
        wanted=None if record is None else int(record["replicas"]),
        states=tuple(_state(container) for container in own),
        images=tuple(sorted({str(container["Config"].get("Image")) for container in own})),
    )


def _current(info: Mapping[str, Any]) -> Mapping[str, Any]:
    releases = info.get("releases") or []
    return releases[-1] if releases else {}


def _state(container: Mapping[str, Any]) -> str:
    state = container["State"]
    if state.get("Status") == "exited":
        if state.get("OOMKilled"):
            return "out of memory"
        policy = ((container.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"
        code = int(state.get("ExitCode") or 0)
        return "done" if code == 0 and policy in ("no", "on-failure") else f"exited {code}"
    health = (state.get("Health") or {}).get("Status")
    if state.get("Status") == "running" and health and health != "none":
        return str(health)
    return str(state.get("Status"))
