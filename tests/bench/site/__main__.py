# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second run of site.yml costs on the lab: seconds, CPU of the controller, tasks and changes per host.

    python -m tests.bench.site [--runs N]

The lab has to be up (`make lab`). The figures of the last recorded run are in tests/bench/site/results.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
from datetime import datetime, timezone

from lab.playbooks import Run, playbook


def main() -> int:
    """Print the table; 1 when a run failed or changed something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="how many times (default: 3)")
    options = parser.parse_args()
    runs, cpu = [], []
    for _number in range(options.runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs.append(playbook("site.yml"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if any(run.rc for run in runs):
        return 1
    print(table(runs, cpu))
    return 1 if any(any(run.changed.values()) for run in runs) else 0


def table(runs: list[Run], cpu: list[float]) -> str:
    """The figures as Markdown, with the machine and the time."""
    seconds = [run.seconds for run in runs]
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    machine = f"{platform.node()}: {os.cpu_count()} cores, Linux {platform.release()}"
    lines = [
        f"\n{now}, {machine}, load {os.getloadavg()[0]:.1f}",
        "",
        f"Second run of site.yml, {len(runs)} times: {min(seconds):.0f} to {max(seconds):.0f} s, "
        f"median {statistics.median(seconds):.0f} s; controller {statistics.median(cpu):.1f} CPU s",
        "",
        "| host | tasks | changed |",
        "|---|---|---|",
        *(f"| {host} | {tasks} | {runs[-1].changed[host]} |" for host, tasks in sorted(runs[-1].tasks.items())),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
