# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second run of the role exporters costs, beside as many tasks as prometheus-community's node_exporter role has.

    python -m tests.bench.monitoring [--runs N]

That role was measured once, elsewhere, with 43 tasks for a run that changed nothing; it can't be had here. Its place
is taken by 43 times ansible.builtin.ping, the cheapest task there is, so the ratio is a lower bound of the real one.
Both in one run, in turns, on one fresh host.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from lab.paths import ROOT, fleet_state

FLEET = "bench-monitoring"
TASKS = 43


@dataclass(frozen=True)
class Cost:
    """One run of a playbook: wall clock and CPU of the controller, in seconds."""

    wall: float
    cpu: float


def main() -> int:
    """Print the table; 1 when a run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="how many times (default: 3)")
    options = parser.parse_args()
    lab = [sys.executable, "-m", "lab", "fleet"]
    subprocess.run([*lab, "up", FLEET, "--host=bench13=trixie"], cwd=ROOT, check=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            role = _play(Path(scratch) / "role.yml", {"roles": ["keelson.ops.exporters"]})
            ping = {"tasks": [{"name": f"Task {number}", "ansible.builtin.ping": {}} for number in range(TASKS)]}
            tasks = _play(Path(scratch) / "tasks.yml", ping)
            _run(role)
            costs = [(_run(role), _run(tasks)) for _number in range(options.runs)]
    finally:
        subprocess.run([*lab, "down", FLEET], cwd=ROOT, check=True)
    print(table(costs))
    return 0


def table(costs: list[tuple[Cost, Cost]]) -> str:
    """The figures as Markdown, with the machine and the time."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{platform.node()}: {os.cpu_count()} cores, Linux {platform.release()}"
    role, tasks = ([pair[side] for pair in costs] for side in (0, 1))
    rows = [
        f"| {name} | {statistics.median(c.wall for c in side):.1f} | {statistics.median(c.cpu for c in side):.1f} |"
        for name, side in (("role exporters, node, nothing to change", role), (f"{TASKS} times ping", tasks))
    ]
    wall, cpu = (statistics.median(getattr(b, kind) / getattr(a, kind) for a, b in costs) for kind in ("wall", "cpu"))
    return "\n".join(
        [
            f"\n{now}, {machine}, load {os.getloadavg()[0]:.1f}, median of {len(costs)}",
            "",
            "| | seconds | controller CPU s |",
            "|---|---|---|",
            *rows,
            f"| ratio | {wall:.1f} | {cpu:.1f} |",
        ]
    )


def _play(path: Path, content: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump([{"hosts": "all", "become": True, **content}]), encoding="utf-8")
    return path


def _run(playbook: Path) -> Cost:
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", fleet_state(FLEET) / "hosts.yml", playbook]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
