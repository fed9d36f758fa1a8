# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure health_wait against a loop over ansible.builtin.uri with until, on the same endpoints, in one run.

    python -m tests.bench.health_wait [--endpoints 100] [--slowest 30]

Exit code 0 when health_wait waited at most a second longer than the slowest endpoint takes, and needed at least twenty
times less processor time than the loop; both with all of Ansible's own, which looks after its workers every 10 ms here
(internal_poll_interval; its default of 1 ms costs a second of processor time in half a minute of waiting).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
WALL_MARGIN = 1.0
CPU_RATIO = 20.0


@dataclass(frozen=True)
class Cost:
    """What a playbook run took: ``wait`` is what health_wait itself says, 0 for others."""

    wall: float
    cpu: float
    wait: float = 0.0


def tasks_of_health_wait(ports: list[int], timeout: float) -> list[dict[str, object]]:
    """One task for all."""
    checks = [{"http": {"url": f"http://127.0.0.1:{port}/health"}} for port in ports]
    return [{"keelson.ops.health_wait": {"timeout": timeout, "checks": checks}, "register": "outcome"}]


def tasks_of_uri(ports: list[int], timeout: float) -> list[dict[str, object]]:
    """The usual loop, asking once a second."""
    return [
        {
            "ansible.builtin.uri": {"url": "http://127.0.0.1:{{ item }}/health"},
            "loop": ports,
            "register": "outcome",
            "until": "outcome is success",
            "retries": int(timeout),
            "delay": 1,
        }
    ]


def play(tasks: list[dict[str, object]], directory: Path) -> Cost:
    """Run the tasks on this machine and count all processor time of Ansible and what it started."""
    show = {"ansible.builtin.debug": {"msg": "waited={{ outcome.seconds | default(0) }}"}}
    content = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [*tasks, show]}]
    book = directory / "play.yml"
    book.write_text(yaml.safe_dump(content), encoding="utf-8")
    program = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise SystemExit("ansible-playbook is not installed")
    configuration = directory / "ansible.cfg"
    configuration.write_text("[defaults]\ninternal_poll_interval = 0.01\n", encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_PIPELINING": "true",
    }
    argv = [program, "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(book)]
    with (directory / "output").open("w+b") as output:
        started = time.monotonic()
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise SystemExit(text)
    waited = re.search(r"waited=([\d.]+)", text)
    return Cost(wall, usage.ru_utime + usage.ru_stime, float(waited[1]) if waited else 0.0)


def measure(make_tasks: object, count: int, slowest: float) -> Cost:
    """Run one method against fresh endpoints."""
    server = [sys.executable, str(Path(__file__).with_name("endpoints.py"))]
    server += ["--endpoints", str(count), "--slowest", str(slowest)]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as endpoints,
    ):
        try:
            ports = json.loads(endpoints.stdout.readline())
            return play(make_tasks(ports, slowest + 60), Path(directory))
        finally:
            endpoints.terminate()


def main() -> int:
    """Print the table and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--slowest", type=float, default=30.0, help="seconds until the last endpoint is healthy")
    options = parser.parse_args()
    count, slowest = options.endpoints, options.slowest

    with tempfile.TemporaryDirectory() as directory:
        idle = play([{"ansible.builtin.meta": "noop"}], Path(directory))
    ours = measure(tasks_of_health_wait, count, slowest)
    loop = measure(tasks_of_uri, count, slowest)

    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    say(f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {machine}, load {os.getloadavg()[0]:.1f}")
    say(f"{count} HTTP endpoints healthy after {min(0.3, slowest):g} to {slowest:g} s")
    say(f"{'method':<32}{'wall s':>9}{'CPU s':>9}")
    for name, cost in (("an empty play", idle), ("keelson.ops.health_wait", ours), ("uri with loop and until", loop)):
        say(f"{name:<32}{cost.wall:>9.1f}{cost.cpu:>9.2f}")
    late = ours.wait - slowest
    say(f"uri / health_wait: wall {loop.wall / ours.wall:.1f}, CPU {loop.cpu / ours.cpu:.1f}")
    say(f"health_wait waited {ours.wait:.2f} s, {late:+.2f} s after the slowest endpoint was healthy")
    good = late <= WALL_MARGIN and loop.cpu / ours.cpu >= CPU_RATIO
    say("targets met" if good else f"targets missed: at most {WALL_MARGIN:g} s late, CPU ratio at least {CPU_RATIO:g}")
    return 0 if good else 1


def say(line: str) -> None:
    """Print at once, as a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
