# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges say of a fresh host before and after the role hardening, by profile, and what the role costs.

    python -m tests.bench.hardening [--release trixie|bookworm]

The judges are Lynis and OpenSCAP with the rules of the SCAP Security Guide (both as in Debian unstable) and ssh-audit
(pinned, installed into .cache/ssh-audit). The host is a container of the lab: partitions, boot loader, auditd and the
like belong to the machine that runs it, and count against the host.
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
from tests.bench.hardening.judges import PROFILES, Verdict, install, judge

FLEET = "bench-hardening"
RECAP = re.compile(r": ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=0")
PLAY = """
- hosts: all
  roles:
    - role: keelson.ops.hardening
"""


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
    verdicts: dict[str, Verdict] = {}
    costs: dict[str, list[Cost]] = {}
    with lab_host(release) as (inventory, address):
        install(on_host)
        verdicts["bare"] = judge(on_host, address)
        for profile in ("baseline", "strict"):
            wait_for_login(inventory)
            costs[profile] = [run_role(inventory, profile) for _number in range(2)]
            if profile == "strict":  # what its timer does in the background
                on_host("systemctl start keelson-aide-init.service")
            verdicts[profile] = judge(on_host, address)
    print(table(release, verdicts, costs))
    return 1 if any(runs[-1].changed for runs in costs.values()) else 0


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


def run_role(inventory: Path, profile: str) -> Cost:
    """Run the role over SSH once."""
    play = inventory.with_name("harden.yml")
    play.write_text(PLAY)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = ansible("ansible-playbook", "-i", str(inventory), "-e", f"hardening_profile={profile}", str(play))
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


def table(release: str, verdicts: dict[str, Verdict], costs: dict[str, list[Cost]]) -> str:
    """The figures as Markdown, with the machine and the time."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    columns = list(verdicts)
    judged = list(verdicts.values())
    lines = [
        f"\n{now}, {machine}, load {os.getloadavg()[0]:.1f}, host {release}",
        "",
        row(["judge", *columns]),
        "|---" * (len(columns) + 1) + "|",
        row(["Lynis, hardening index", *(verdict.index for verdict in judged)]),
        row(["Lynis, kinds of findings", *(len(verdict.findings) for verdict in judged)]),
        *(row([f"OpenSCAP, {name}", *scap_cells(name, judged)]) for name in PROFILES),
        row(["ssh-audit, failures", *(verdict.failures for verdict in judged)]),
        row(["ssh-audit, warnings", *(verdict.warnings for verdict in judged)]),
        "",
        "| run of the role | seconds | CPU s of the controller | tasks | changed |",
        "|---|---|---|---|---|",
        *(
            row([f"{profile} {number}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", cost.tasks, cost.changed])
            for profile, runs in costs.items()
            for number, cost in enumerate(runs, 1)
        ),
    ]
    for profile, verdict in verdicts.items():
        if profile != "bare":
            failed = sorted(set().union(*(verdict.failed(name) for name in PROFILES)))
            lines += [
                "",
                f"{profile}, findings of Lynis left: {', '.join(verdict.findings)}",
                "",
                f"{profile}, rules of OpenSCAP left: {', '.join(failed)}",
            ]
    return "\n".join(lines)


def scap_cells(profile: str, verdicts: list[Verdict]) -> list[str]:
    """Per verdict, the share of applicable rules that hold, and how many of those that apply in any of the states."""
    ever = len(set().union(*(verdict.passed(profile) | verdict.failed(profile) for verdict in verdicts)))
    return [f"{verdict.percent(profile):.1f} % ({len(verdict.passed(profile))}/{ever})" for verdict in verdicts]


def row(cells: list[object]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
