# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook or another command of this repository with live output, and read Ansible's recap."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .paths import ROOT

RECAP = re.compile(r"^(\S+)\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=\d+\s+failed=\d+", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """A finished command: exit code, everything it printed, how long it took."""

    rc: int
    output: str
    seconds: float

    @property
    def tasks(self) -> dict[str, int]:
        """Tasks that went well, per host of the recap."""
        return {found[0]: int(found[1]) for found in RECAP.findall(self.output)}

    @property
    def changed(self) -> dict[str, int]:
        """Tasks that changed something, per host of the recap."""
        return {found[0]: int(found[2]) for found in RECAP.findall(self.output)}

    @property
    def tail(self) -> str:
        """The end of the output."""
        return self.output[-6000:]


def playbook(*arguments: str) -> Run:
    """Run ansible-playbook on the lab's inventory."""
    return run([str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventories/lab", *arguments])


def show(line: str) -> None:
    """Print a line of output as it is, at once."""
    print(line, end="", flush=True)


def run(
    command: Sequence[str],
    *,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    hear: Callable[[str], None] = show,
) -> Run:
    """Run without a terminal and hand every line to ``hear`` when it comes.

    Without an ``environment`` it is this process's own, with the repository's Ansible configuration.
    """
    started, lines = time.monotonic(), []
    own = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    with subprocess.Popen(
        list(command),
        cwd=folder,
        env=own if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            hear(line)
            lines.append(line)
    return Run(process.returncode, "".join(lines), time.monotonic() - started)
