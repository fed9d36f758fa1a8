# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh lab hosts for a bench: roles are run on them over SSH, and what that takes is measured."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lab.fleet import containers
from lab.paths import ROOT, fleet_state
from lab.playbooks import run


@dataclass(frozen=True)
class Cost:
    """What a run of a role took: seconds, CPU seconds of the controller, tasks, changed tasks."""

    seconds: float
    cpu: float
    tasks: int
    changed: int


@dataclass(frozen=True)
class BenchHosts:
    """The hosts of one fleet."""

    fleet: str

    @property
    def state(self) -> Path:
        """The folder of the fleet's inventory and certificates."""
        return fleet_state(self.fleet)

    def address(self, host: str) -> str:
        """The address of a host."""
        inventory = json.loads((self.state / "hosts.yml").read_text(encoding="utf-8"))
        return str(inventory["all"]["hosts"][host]["ansible_host"])

    def wait_for_login(self, host: str) -> None:
        """Wait until Ansible can log in to a host. Raises SystemExit when it can't for ten minutes."""
        command = ["ansible", "-i", str(self.state / "hosts.yml"), host, "-m", "ansible.builtin.wait_for_connection"]
        if run([str(Path(sys.executable).parent / command[0]), *command[1:]]).rc != 0:
            raise SystemExit(f"no login to {host}")

    def run_role(self, host: str, role: str, options: Mapping[str, Any] | None = None) -> Cost:
        """Run one role of the collection on a host. Raises SystemExit when it fails."""
        play = [{"hosts": host, "roles": [{"role": f"keelson.ops.{role}", "vars": dict(options or {})}]}]
        book = self.state / "bench.yml"
        book.write_text(json.dumps(play), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        inventory = str(self.state / "hosts.yml")
        done = run([str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory, str(book)])
        if done.rc != 0:
            raise SystemExit(f"role {role} failed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(done.seconds, cpu, done.tasks[host], done.changed[host])

    def shell(self, host: str, command: str) -> tuple[int, str]:
        """Run a shell command as root on a host; its exit status and what it printed."""
        done = containers(self.fleet)[host].exec_run(["sh", "-c", command])
        return int(done.exit_code), str(done.output.decode(errors="replace"))

    def need(self, host: str, command: str) -> str:
        """What a command printed that has to succeed. Raises SystemExit."""
        status, printed = self.shell(host, command)
        if status != 0:
            raise SystemExit(f"{host}: {command}: {printed[-3000:]}")
        return printed

    def install(self, host: str, *packages: str) -> None:
        """Install packages of the distribution. Raises SystemExit."""
        apt = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
        self.need(host, f"apt-get update -qq && {apt} {' '.join(packages)}")


@contextmanager
def bench_hosts(fleet: str, hosts: Mapping[str, str], services: Sequence[str] = ()) -> Iterator[BenchHosts]:
    """Fresh hosts by name and release, beside services of the lab; all are removed at the end."""
    command = [sys.executable, "-m", "lab", "fleet"]
    wanted = [f"--host={name}={release}" for name, release in hosts.items()]
    wanted += [f"--service={service}" for service in services]
    try:
        subprocess.run([*command, "up", fleet, *wanted], cwd=ROOT, check=True)
        yield BenchHosts(fleet)
    finally:
        subprocess.run([*command, "down", fleet], cwd=ROOT, check=True)


def circumstances() -> str:
    """When and where a figure was measured."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
