# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges say of a fresh host before and after the role hardening, and what the role costs.

    python -m tests.bench.hardening [--release trixie|bookworm]

The judges are Lynis from the distribution and ssh-audit (pinned, installed into .cache/ssh-audit). The host is a
container of the lab: kernel settings, partitions, auditd and the like belong to the machine that runs it, and count
against the host.
The figures of the last recorded run are in tests/bench/hardening/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from lab.fleet import containers
from lab.paths import ROOT, fleet_state

FLEET = "bench-hardening"
SSH_AUDIT = "ssh-audit==3.3.0"
TOOLS = ROOT / ".cache" / "ssh-audit"
RECAP = re.compile(r": ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=0")
PLAY = """
- hosts: all
  roles:
    - role: keelson.ops.hardening
"""


@dataclass(frozen=True)
class Verdict:
    """What the judges say: Lynis' index and its findings by name, ssh-audit's failures and warnings."""

    index: int
    findings: tuple[str, ...]
    failures: int
    warnings: int


@dataclass(frozen=True)
class Cost:
    """What a run of the role took."""

    seconds: float
    cpu: float
    tasks: int
    changed: int


def main() -> int:
    """Print the tables; 1 when a run of the role failed or a second run changed something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    release = parser.parse_args().release
    audit = ssh_audit()
    with lab_host(release) as (inventory, address):
        install_lynis()
        before = judge(audit, address)
        wait_for_login(inventory)
        costs = [run_role(inventory) for _number in range(3)]
        after = judge(audit, address)
    print(table(release, before, after, costs))
    return 1 if any(cost.changed for cost in costs[1:]) else 0


@contextmanager
def lab_host(release: str) -> Iterator[tuple[Path, str]]:
    """One fresh host, as inventory and address."""
    command = [sys.executable, "-m", "lab", "fleet"]
    subprocess.run([*command, "up", FLEET, "--host", f"judged={release}"], cwd=ROOT, check=True)
    try:
        inventory = fleet_state(FLEET) / "hosts.yml"
        yield inventory, json.loads(inventory.read_text())["all"]["hosts"]["judged"]["ansible_host"]
    finally:
        subprocess.run([*command, "down", FLEET], cwd=ROOT, check=True)


def ssh_audit() -> Path:
    """The path of the pinned ssh-audit."""
    program = TOOLS / "bin" / "ssh-audit"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(TOOLS)], check=True)
        subprocess.run([str(TOOLS / "bin" / "pip"), "install", "--quiet", SSH_AUDIT], check=True)
    return program


def install_lynis() -> None:
    """Bring the judge; without /.dockerenv it judges the host as a host."""
    on_host("apt-get update -qq && apt-get install -y -qq --no-install-recommends lynis >/dev/null 2>&1")
    on_host("rm -f /.dockerenv")


def judge(audit: Path, address: str) -> Verdict:
    """Ask both judges."""
    on_host("lynis audit system --quick --quiet --no-colors >/dev/null 2>&1")
    report = on_host("cat /var/log/lynis-report.dat")
    index = re.search(r"^hardening_index=(\d+)$", report, re.MULTILINE)
    findings = re.findall(r"^(?:suggestion|warning)\[\]=([A-Z]+-\d+)", report, re.MULTILINE)
    # A finding is told by the exit code too; the report is on stdout all the same.
    done = subprocess.run(
        [str(audit), "--json", "--skip-rate-test", address], capture_output=True, text=True, check=False
    )
    notes = [
        note
        for kind in ("kex", "key", "enc", "mac")
        for algorithm in json.loads(done.stdout)[kind]
        for note in algorithm["notes"]
    ]
    assert index is not None, "lynis wrote no index"
    return Verdict(
        int(index[1]),
        tuple(dict.fromkeys(findings)),
        sum("fail" in note for note in notes),
        sum("warn" in note for note in notes),
    )


def wait_for_login(inventory: Path) -> None:
    """The SSH server shuts a judge out for a while, and us with it."""
    done = ansible("ansible", "-i", str(inventory), "all", "-m", "ansible.builtin.wait_for_connection")
    if done.returncode != 0:
        raise SystemExit(done.stdout[-4000:])


def ansible(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs."""
    return subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )


def run_role(inventory: Path) -> Cost:
    """Run the role over SSH once."""
    play = inventory.with_name("harden.yml")
    play.write_text(PLAY)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = ansible("ansible-playbook", "-i", str(inventory), str(play))
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    recap = RECAP.search(done.stdout)
    if done.returncode != 0 or recap is None:
        raise SystemExit(done.stdout[-4000:])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, int(recap[1]), int(recap[2]))


def on_host(command: str) -> str:
    """Run a shell command as root on the judged host and return what it printed."""
    done = containers(FLEET)["judged"].exec_run(["sh", "-c", command])
    return str(done.output.decode(errors="replace"))


def table(release: str, before: Verdict, after: Verdict, costs: list[Cost]) -> str:
    """The figures as Markdown, with the machine and the time."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    lines = [
        f"\n{now}, {machine}, load {os.getloadavg()[0]:.1f}, host {release}",
        "",
        "| judge | bare | hardened |",
        "|---|---|---|",
        f"| Lynis, hardening index | {before.index} | {after.index} |",
        f"| Lynis, kinds of findings | {len(before.findings)} | {len(after.findings)} |",
        f"| ssh-audit, failures | {before.failures} | {after.failures} |",
        f"| ssh-audit, warnings | {before.warnings} | {after.warnings} |",
        "",
        "| run of the role | seconds | CPU s of the controller | tasks | changed |",
        "|---|---|---|---|---|",
        *(
            f"| {number} | {cost.seconds:.1f} | {cost.cpu:.1f} | {cost.tasks} | {cost.changed} |"
            for number, cost in enumerate(costs, 1)
        ),
        "",
        f"Findings left: {', '.join(after.findings)}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
