# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine of the operator's machine: found, or started when none answers."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from pathlib import Path

import docker
from docker.errors import DockerException

from .paths import CACHE
from .progress import LabError, say

SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60.0


@functools.cache
def client() -> docker.DockerClient:
    """A client of the running Engine; starts it first when needed. Raises LabError."""
    if (found := _connect()) is not None:
        return found
    if SOCKET.exists() and not os.access(SOCKET, os.W_OK):
        raise LabError(f"this user may not use {SOCKET}: join the group docker (and log in again), or run as root")
    if shutil.which("dockerd") is None:
        raise LabError("no Docker Engine answers and dockerd is not installed: run `make setup`")
    log = CACHE / "dockerd.log"
    say(f"   no Docker Engine answers; starting dockerd (log: {log.relative_to(CACHE.parent)})")
    _start(log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (found := _connect()) is not None:
            return found
        time.sleep(0.5)
    raise LabError(f"dockerd did not answer within {START_SECONDS:.0f} s; its log: {log}")


def _start(log: Path) -> None:
    """By the service manager where there is one, as a process of its own otherwise."""
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)


def _connect() -> docker.DockerClient | None:
    try:
        found = docker.from_env(timeout=120)
        found.ping()
    except DockerException:
        return None
    return found
