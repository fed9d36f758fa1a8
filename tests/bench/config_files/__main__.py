# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""25 templates by a loop over ansible.builtin.template against one call of config_files, over SSH.

Run: python -m tests.bench.config_files [--inventory FILE]; without an inventory it starts a lab host and removes it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FLEET = "bench-config"
CALLBACKS = Path(__file__).parent / "callbacks"
FILES = 25
ROUNDS = 3
TARGET = 20.0
LOOP = """
    - name: Loop
      ansible.builtin.template: {src: file.j2, dest: "/etc/bench/loop-{{ item }}", mode: "0644"}
      loop: "{{ range(25) | list }}"
"""
ONE_CALL = """
    - name: One call
      keelson.ops.config_files:
        files:
"""
ENTRY = '          - {{dest: /etc/bench/call-{n}, template: file.j2, mode: "0644", vars: {{item: {n}}}}}\n'
TEMPLATE = "{% for n in range(40) %}\noption_{{ n }} = {{ item }} {{ inventory_hostname }}\n{% endfor %}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", type=Path)
    inventory = parser.parse_args().inventory
    if inventory:
        return measure(inventory)
    with lab_host() as started:
        return measure(started)


@contextmanager
def lab_host() -> Iterator[Path]:
    """One fresh Debian 13 host of the lab."""
    command = [sys.executable, "-m", "lab", "fleet"]
    subprocess.run([*command, "up", FLEET, "--host", "bench13=trixie"], cwd=ROOT, check=True)
    try:
        yield ROOT / ".cache" / "fleets" / FLEET / "hosts.yml"
    finally:
        subprocess.run([*command, "down", FLEET], cwd=ROOT, check=True)


def measure(inventory: Path) -> int:
    """Print the figures; 1 when the no-op run misses the target."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "templates").mkdir()
        (place / "templates" / "file.j2").write_text(TEMPLATE)
        loop, call = playbook(place, "loop", LOOP), playbook(place, "call", ONE_CALL + entries())
        figures: dict[str, list[tuple[float, float]]] = {"first": [], "no-op": []}
        for _ in range(ROUNDS):
            reset(inventory)
            for phase, pairs in figures.items():
                pairs.append((run(loop, inventory, phase), run(call, inventory, phase)))
    print(f"{FILES} templates over SSH with pipelining, median of {ROUNDS} rounds, time of the task alone")
    for phase, pairs in figures.items():
        loop_seconds, call_seconds = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{phase:>6}: loop {loop_seconds:6.2f} s, one call {call_seconds:5.2f} s, ratio {ratio(pairs):5.1f}x")
    load, machine = os.getloadavg()[0], f"{platform.node()}, {os.cpu_count()} cores"
    print(f"on {machine}, load {load:.1f}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC")
    print(f"target: no-op ratio of {TARGET:.0f}x or more")
    return 0 if ratio(figures["no-op"]) >= TARGET else 1


def ratio(pairs: list[tuple[float, float]]) -> float:
    """The median of the ratios; the two of a pair ran one after the other."""
    return statistics.median(loop / call for loop, call in pairs)


def entries() -> str:
    return "".join(ENTRY.format(n=number) for number in range(FILES))


def playbook(place: Path, name: str, task: str) -> Path:
    warm_up = "    - {name: Warm up, ansible.builtin.file: {path: /etc/bench, state: directory, mode: '0755'}}\n"
    path = place / f"{name}.yml"
    path.write_text(f"- hosts: all\n  become: true\n  gather_facts: false\n  tasks:\n{warm_up}{task}")
    return path


def reset(inventory: Path) -> None:
    command = ["ansible", "all", "-b", "-m", "ansible.builtin.file", "-a", "path=/etc/bench state=absent"]
    ansible(command, inventory)


def run(book: Path, inventory: Path, phase: str) -> float:
    """Seconds that the task after the warm-up took. Fails when the run is not the phase it should be."""
    output = ansible(["ansible-playbook", str(book)], inventory)
    changed = int(re.search(r"changed=(\d+)", output)[1])  # type: ignore[index]
    if (changed > 0) != (phase == "first"):
        sys.exit(f"not a {phase} run:\n{output}")
    found = re.search(r"^SECONDS (?:Loop|One call) ([\d.]+)$", output, re.MULTILINE)
    if found is None:
        sys.exit(f"no time in:\n{output}")
    return float(found[1])


def ansible(command: list[str], inventory: Path) -> str:
    program = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(
        [program, "-i", str(inventory), *command[1:]],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
