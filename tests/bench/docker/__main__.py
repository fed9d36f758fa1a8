# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker-bench-security says of the daemon and its files, as the package leaves them and after the role docker.

    python -m tests.bench.docker --judge FOLDER [--release trixie|bookworm]

FOLDER is a checkout of https://github.com/docker/docker-bench-security; it is a script, nothing is built of it. Asked
are its parts 2 and 3. Recorded: tests/bench/docker/results.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

from lab.fleet import containers
from tests.tools.bench_hosts import BenchHosts, bench_hosts, circumstances

PARTS = ("docker_daemon_configuration", "docker_daemon_files")
JUDGE = f"cd /root/judge && bash docker-bench-security.sh -b -c {','.join(PARTS)} >/dev/null && cat log/*.json"
RESULTS = ("PASS", "WARN", "NOTE", "INFO")
Verdict = dict[str, tuple[str, str]]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, default=os.environ.get("DOCKER_BENCH_SECURITY"))
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    options = parser.parse_args()
    if options.judge is None:
        print("left out: --judge FOLDER, or DOCKER_BENCH_SECURITY, names a checkout of docker-bench-security")
        return 0
    with bench_hosts("bench-docker", {"judged": options.release}) as hosts:
        bring(hosts, options.judge)
        hosts.install("judged", "docker.io", *(["docker-cli"] if options.release == "trixie" else []), "iptables")
        before = judge(hosts)
        hosts.run_role("judged", "docker")
        after = judge(hosts)
    print(f"\n{circumstances()}, host {options.release}\n\n{table(before, after)}")
    return 0


def bring(hosts: BenchHosts, folder: Path) -> None:
    """Copy the judge to the host."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(folder, arcname="judge", filter=lambda entry: None if "/.git" in entry.name else entry)
    containers(hosts.fleet)["judged"].put_archive("/root", archive.getvalue())


def judge(hosts: BenchHosts) -> Verdict:
    """Ask the judge: each item with its result and what it is about."""
    report: dict[str, Any] = json.loads(hosts.need("judged", JUDGE))
    # It ignores a part whose name it doesn't know.
    if len(report["tests"]) != len(PARTS):
        raise SystemExit(f"of {', '.join(PARTS)} the judge knows only {[part['desc'] for part in report['tests']]}")
    items = [item for part in report["tests"] for item in part["results"]]
    return {item["id"]: (item["result"], item["desc"]) for item in items}


def table(before: Verdict, after: Verdict) -> str:
    """The results as Markdown: how many of each, and every item that isn't passed afterwards."""
    lines = ["| result | package | role |", "|---|---|---|"]
    for result in RESULTS:
        counts = [sum(found == result for found, _about in verdict.values()) for verdict in (before, after)]
        lines.append(f"| {result} | {counts[0]} | {counts[1]} |")
    lines += ["", "| item | about | package | role |", "|---|---|---|---|"]
    for item, (result, about) in after.items():
        if result != "PASS" or before[item][0] != "PASS":
            lines.append(f"| {item} | {about} | {before[item][0]} | {result} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
