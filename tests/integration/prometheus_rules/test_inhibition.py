# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of alerts that have one cause, people are told the cause: a real Alertmanager with the role's configuration."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

# Alerts that fire together in one environment, and those of them that nobody is told of.
DISK = {"host": "db1", "instance": "db1:9100", "job": "node"}
STORIES = {
    "a full disk": (
        [("DiskFull", {**DISK, "mountpoint": "/"}), ("DiskSpaceLow", {**DISK, "mountpoint": "/"})],
        [("DiskSpaceLow", {**DISK, "mountpoint": "/data"})],
        {"DiskSpaceLow /"},
    ),
    "busy CPUs": ([("CpuHigh", {"host": "app4"}), ("CpuScalingHint", {"host": "app4"})], [], {"CpuScalingHint"}),
    "a lost host": (
        [("HostDown", {"host": "app1"}), ("ReplicasMissing", {"host": "app1", "job": "shop"})],
        [("CpuHigh", {"host": "app2"}), ("HostDown", {"host": "app3"}), ("Watchdog", {})],
        {"ReplicasMissing"},
    ),
    "a lost database": (
        [("DatabaseDown", {"host": "db1", "job": "postgres"}), ("ApiDown", {"job": "shop"})],
        [("CpuHigh", {"host": "app5"})],
        {"ApiDown"},
    ),
}


@pytest.fixture(scope="module")
def alertmanager(tools: Path, rendered: Path) -> Iterator[str]:
    """The address of its API. In a container, as it wants its own templates in their place."""
    mounts = {tools: "/tools", tools.parent / "share/prometheus": "/usr/share/prometheus", rendered: "/rendered"}
    volumes = [f"--volume={path}:{place}:ro" for path, place in mounts.items()]
    command = ["docker", "run", "--detach", "--rm", "--publish=127.0.0.1::9093", *volumes, "keelson-lab/debian:trixie"]
    command += ["/tools/prometheus-alertmanager", "--config.file=/rendered/alertmanager.yml", "--storage.path=/tmp"]
    container = _run(*command, "--cluster.listen-address=").strip()
    try:
        api = f"http://{_run('docker', 'port', container, '9093/tcp').split()[0]}/api/v2"
        deadline = time.monotonic() + 120
        while not _answers(f"{api}/status"):
            assert time.monotonic() < deadline, _run("docker", "logs", container)
            time.sleep(0.1)
        yield api
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], check=False, capture_output=True)


def test_people_are_told_the_cause_and_not_what_follows_from_it(alertmanager: str, rendered: Path) -> None:
    groups = yaml.safe_load((rendered / "rules.yml").read_text())["groups"]
    rules = {rule["alert"]: rule["labels"] for group in groups for rule in group["rules"] if "alert" in rule}
    fired = [
        {"labels": {"environment": story, "alertname": name, **rules[name], **labels}}
        for story, (together, apart, _silent) in STORIES.items()
        for name, labels in together + apart
    ]
    _ask(f"{alertmanager}/alerts", fired)
    expected = {story: silent for story, (_together, _apart, silent) in STORIES.items()}
    deadline = time.monotonic() + 120
    # It looks at new alerts one after the other, so the last story comes last.
    while (silent := _silent(alertmanager, len(fired))) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert silent == expected


def _silent(alertmanager: str, number: int) -> dict[str, set[str]]:
    """The alerts of each story that wait for others to end."""
    found = _ask(f"{alertmanager}/alerts")
    assert len(found) == number
    silent: dict[str, set[str]] = {story: set() for story in STORIES}
    for alert in found:
        labels = alert["labels"]
        if alert["status"]["inhibitedBy"]:
            silent[labels["environment"]].add(f"{labels['alertname']} {labels.get('mountpoint', '')}".strip())
    return silent


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _ask(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def _answers(url: str) -> bool:
    try:
        _ask(url)
    except (OSError, http.client.HTTPException):
        return False
    return True
