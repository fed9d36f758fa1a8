# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator of the lab, as the end-to-end tests play it: runs playbooks, logs in, asks services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab.checks import CheckError, https_get
from lab.paths import ROOT, SSH_KEY, fleet_state
from lab.playbooks import Run, playbook, run  # noqa: F401 (the tests know the operator only)
from lab.topology import Lab, LocalPorts

STATE = fleet_state("lab")
PORTS = LocalPorts.of(os.environ)
ADDRESSES = {host.name: f"10.77.0.{host.number}" for host in Lab(PORTS).hosts()}
Answer = TypeVar("Answer")


def lab(*arguments: str) -> Run:
    """Run the lab's own command."""
    return run([sys.executable, "-m", "lab", *arguments])


def interrupted_lab(marker: str, *arguments: str) -> int:
    """Start the lab's command and press Ctrl-C when its output shows ``marker``; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if marker in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    else:
        raise AssertionError(f"the output never showed {marker!r}")
    process.communicate(timeout=300)
    return process.returncode


def ssh(host: str, *command: str, check: bool = True) -> str:
    """Run a command on a host as the operator would; its standard output."""
    options = ["-i", str(SSH_KEY), "-o", f"UserKnownHostsFile={STATE}/known_hosts/%h", "-o", "BatchMode=yes"]
    options += ["-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=15"]
    done = subprocess.run(
        ["ssh", *options, f"ops@{ADDRESSES[host]}", *command], capture_output=True, text=True, check=False, timeout=300
    )
    assert not check or done.returncode == 0, f"{host}: {' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def get(path: str) -> tuple[int, bytes, dict[str, str]]:
    """A GET through the edge, the certificate verified."""
    return https_get(PORTS, STATE, path)


def prometheus(query: str) -> Any:
    """The ``data`` of a Prometheus API answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORTS.prometheus}/api/v1/{query}", timeout=15) as answer:
        return json.load(answer)["data"]


def eventually(ask: Callable[[], Answer], good: Callable[[Answer], bool], *, within: float) -> Answer:
    """Ask until the answer is good. Raises AssertionError with the last answer or error after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        seen: object
        try:
            answer = ask()
        except (OSError, AssertionError, CheckError, ValueError, KeyError) as error:
            seen = error
        else:
            if good(answer):
                return answer
            seen = answer
        assert time.monotonic() < deadline, f"not within {within:g} s; last: {str(seen)[:2000]}"
        time.sleep(0.5)


@dataclass
class Traffic:
    """What steady requests saw: how many, and each failure as text."""

    total: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def traffic(path: str, pause: float = 0.05) -> Iterator[Traffic]:
    """Steady requests through the edge while the block runs."""
    seen, stop = Traffic(), threading.Event()

    def ask() -> None:
        while not stop.wait(pause):
            seen.total += 1
            try:
                status, body, _ = get(path)
            except OSError as error:
                seen.failures.append(repr(error))
            else:
                if status != 200:
                    seen.failures.append(f"{status} {body[:120]!r}")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
