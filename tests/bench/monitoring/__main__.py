# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second run of the role exporters costs, beside one of prometheus-community's role node_exporter.

    python -m tests.bench.monitoring [--collections PATH] [--runs N]

That role is looked for in PATH (or $BENCH_COLLECTIONS), else where Ansible looks; PATH is where it was put by
"ansible-galaxy collection install prometheus.prometheus --collections-path PATH". Both in one run, in turns, on one
fresh host, each with one node exporter that is there already. Each play gathers only the facts that its role uses: ours
none. In favour of the other one, the archive that it downloads each time comes from this machine.
Exit code 0 when ours takes at most a third of the time and changes nothing.
The figures of the last recorded run are in tests/bench/monitoring/results.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from lab.paths import ROOT, fleet_state

from .release import Release, serve_release

FLEET, HOST = "bench-monitoring", "bench13"
REFERENCE = "prometheus.prometheus.node_exporter"
FASTER = 3.0
RECAP = re.compile(r": ok=(\d+)\s+changed=(\d+)\s+unreachable=0\s+failed=0\s+skipped=(\d+)")


@dataclass(frozen=True)
class Cost:
    """One run of a playbook: wall clock and CPU of the controller in seconds, tasks run, skipped and changed."""

    wall: float
    cpu: float
    tasks: int
    skipped: int
    changed: int


def main() -> int:
    """Print the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collections", type=Path, default=os.environ.get("BENCH_COLLECTIONS"), metavar="PATH")
    parser.add_argument("--runs", type=int, default=3, help="how many times (default: %(default)s)")
    options = parser.parse_args()
    environment = _environment(options.collections)
    _require_reference(environment)
    lab = [sys.executable, "-m", "lab", "fleet"]
    subprocess.run([*lab, "up", FLEET, f"--host={HOST}=trixie"], cwd=ROOT, check=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            costs = _compare(Path(scratch), environment, options.runs)
    finally:
        subprocess.run([*lab, "down", FLEET], cwd=ROOT, check=True)
    print(table(costs))
    within = ratio(costs, "wall") >= FASTER
    return 0 if within and not any(ours.changed for ours, _theirs in costs) else 1


def _compare(scratch: Path, environment: dict[str, str], runs: int) -> list[tuple[Cost, Cost]]:
    ours = _play(scratch / "ours.yml", {"gather_facts": False, "roles": ["keelson.ops.exporters"]})
    _run(ours, environment)
    with serve_release(scratch, FLEET, HOST) as release:
        theirs = _play(scratch / "theirs.yml", _reference(release, scratch))
        _run(theirs, environment)
        return [(_run(ours, environment), _run(theirs, environment)) for _number in range(runs)]


def _reference(release: Release, scratch: Path) -> dict[str, object]:
    """A play with the other role, whose exporter listens beside ours."""
    variables = {
        "node_exporter_version": release.version,
        "node_exporter_binary_url": release.archive_url,
        "node_exporter_checksums_url": release.checksums_url,
        "node_exporter_local_cache_path": str(scratch / "downloaded"),
        "node_exporter_web_listen_address": "127.0.0.1:9101",
    }
    return {"gather_subset": ["min", "mounts"], "roles": [{"role": REFERENCE, "vars": variables}]}


def ratio(costs: Sequence[tuple[Cost, Cost]], kind: str) -> float:
    """How many times as much the other role takes."""
    return statistics.median(getattr(theirs, kind) / getattr(ours, kind) for ours, theirs in costs)


def table(costs: Sequence[tuple[Cost, Cost]]) -> str:
    """The figures as Markdown, with the machine and the time."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    lines = [f"\n{now}, {machine}, median of {len(costs)}", ""]
    lines += [
        "| nothing to change | seconds | controller CPU s | tasks run | skipped | changed |",
        "|---|---|---|---|---|---|",
    ]
    for side, name in enumerate(("keelson.ops.exporters", REFERENCE)):
        found = [pair[side] for pair in costs]
        wall, cpu = (statistics.median(getattr(cost, kind) for cost in found) for kind in ("wall", "cpu"))
        last = found[-1]
        lines.append(f"| `{name}` | {wall:.1f} | {cpu:.1f} | {last.tasks} | {last.skipped} | {last.changed} |")
    lines.append(f"| ratio | {ratio(costs, 'wall'):.1f} | {ratio(costs, 'cpu'):.1f} | | | |")
    return "\n".join(lines)


def _environment(collections: Path | None) -> dict[str, str]:
    found = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    if collections is not None:
        found["ANSIBLE_COLLECTIONS_PATH"] = f"{ROOT / 'collections'}:{collections.resolve()}"
    return found


def _require_reference(environment: dict[str, str]) -> None:
    command = [_tool("ansible-galaxy"), "collection", "list", "prometheus.prometheus"]
    listed = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if "prometheus.prometheus" not in listed.stdout:
        raise SystemExit("collection prometheus.prometheus is missing: ansible-galaxy collection install it")


def _play(path: Path, content: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump([{"hosts": "all", "become": True, **content}]), encoding="utf-8")
    return path


def _run(playbook: Path, environment: dict[str, str]) -> Cost:
    command = [_tool("ansible-playbook"), "-i", fleet_state(FLEET) / "hosts.yml", playbook]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    recap = RECAP.search(done.stdout)
    if done.returncode or recap is None:
        raise SystemExit(f"{playbook.name} failed:\n{done.stdout}{done.stderr}")
    tasks, changed, skipped = map(int, recap.groups())
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, tasks, skipped, changed)


def _tool(name: str) -> Path:
    return Path(sys.executable).parent / name


if __name__ == "__main__":
    sys.exit(main())
