# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on a systemd host that Ansible reaches over SSH, with and without check mode."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FLEET = "it-health"
SECRET = "correct-horse-battery-staple"
UNITS = {
    "slow": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 3\n",
    "broken": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'\n",
    "looping": (
        "[Unit]\nStartLimitIntervalSec=0\n"
        "[Service]\nExecStart=/bin/sh -c 'sleep 0.5; exit 3'\nRestart=always\nRestartSec=0.1\n"
    ),
}


@dataclass(frozen=True)
class Run:
    """A playbook run: all of its output, and what each task returned."""

    text: str
    results: list[dict[str, Any]]


def lab(*arguments: str) -> None:
    command = [sys.executable, "-m", "lab", "fleet", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def inventory() -> Iterator[Path]:
    lab("down", FLEET)
    try:
        lab("up", FLEET, "--host", "health13=trixie")
        yield ROOT / ".cache" / "fleets" / FLEET / "hosts.yml"
    finally:
        lab("down", FLEET)


@pytest.fixture
def play(inventory: Path, tmp_path: Path) -> Any:
    def run(*calls: dict[str, Any], arguments: tuple[str, ...] = ()) -> Run:
        tasks: list[dict[str, Any]] = []
        for call in calls:
            tasks += [
                {"keelson.ops.health_wait": call, "register": "found", "ignore_errors": True},
                {"ansible.builtin.debug": {"msg": "RESULT {{ found | to_json }}"}},
            ]
        book = tmp_path / "play.yml"
        book.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(book), *arguments],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        text = done.stdout + done.stderr
        messages = [json.loads(message) for message in re.findall(r'"msg": ("RESULT .*")', text)]
        results = [json.loads(message.removeprefix("RESULT ")) for message in messages]
        assert len(results) == len(calls), text
        return Run(text, results)

    return run


@pytest.fixture(scope="module")
def units(inventory: Path) -> None:
    """Units that are slow to start, fail, and crash over and over."""
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.copy": {"dest": f"/etc/systemd/system/{name}.service", "content": text, "mode": "0644"}}
        for name, text in UNITS.items()
    ]
    tasks.append({"ansible.builtin.command": "systemctl daemon-reload"})
    tasks.append({"ansible.builtin.command": "systemctl start --no-block slow broken looping"})
    book = inventory.parent / "units.yml"
    book.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    subprocess.run([program, "-i", str(inventory), str(book)], env=environment, check=True, cwd=ROOT)


def test_a_host_is_waited_for_in_one_task_that_changes_nothing(play: Any) -> None:
    checks = [
        {"systemd": {"unit": "ssh"}},
        {"name": "greeting", "tcp": {"port": 22, "greeting": "^SSH-2"}},
        {"unix": {"path": "/run/dbus/system_bus_socket"}},
        {"command": {"argv": ["test", "-d", "/etc"]}},
    ]
    (result,) = play({"checks": checks, "successes": 3}).results
    assert result["changed"] is False
    assert result["failed"] is False
    assert result["msg"].startswith("4 of 4 checks healthy after ")
    assert [check["state"] for check in result["checks"]] == ["healthy"] * 4
    assert all(check["attempts"] >= 3 and check["seconds"] is not None for check in result["checks"])
    assert result["checks"][0]["timeline"][-1]["message"] == "active (running)"


def test_units_are_waited_for_and_final_states_fail_at_once(play: Any, units: None) -> None:
    slow, broken, looping, missing = play(
        {"checks": [{"systemd": {"unit": "slow"}}]},
        {"checks": [{"systemd": {"unit": "broken.service"}}], "timeout": 600},
        {"checks": [{"systemd": {"unit": "looping"}}], "timeout": 600, "stable_for": 300},
        {"checks": [{"systemd": {"unit": "nobody"}}], "timeout": 600},
    ).results
    assert slow["failed"] is False
    assert "broken.service: failed: exit-code, exit status 3 [1 attempt]" in broken["msg"]
    assert "looping.service: restart loop: restarted" in looping["msg"]
    assert "nobody.service: unit nobody.service is not found [1 attempt]" in missing["msg"]
    assert all(result["failed"] for result in (broken, looping, missing))
    assert max(broken["seconds"], missing["seconds"]) < 60


def test_check_mode_looks_once_and_does_not_fail(play: Any) -> None:
    checks = [{"systemd": {"unit": "ssh"}}, {"tcp": {"port": 1}}]
    (result,) = play({"checks": checks, "successes": 9, "stable_for": 60}, arguments=("--check",)).results
    assert (result["failed"], result["changed"]) == (False, False)
    assert [check["state"] for check in result["checks"]] == ["healthy", "unhealthy"]
    assert [check["attempts"] for check in result["checks"]] == [1, 1]
    assert result["msg"].startswith("1 of 2 checks healthy after ")
    assert "- tcp 127.0.0.1:1: connection refused [1 attempt]" in result["msg"]


def test_a_missing_library_is_named_with_its_package(play: Any) -> None:
    docker, postgres = play(
        {"checks": [{"docker": {"container": "web"}}]},
        {"checks": [{"tcp": {"port": 22}}, {"postgres": {"password": SECRET}}]},
    ).results
    for result, library, package in (
        (docker, "docker", "python3-docker"),
        (postgres, "psycopg2", "python3-psycopg2"),
    ):
        assert result["failed"]
        assert f"Python library ({library})" in result["msg"] or f"library {library}" in result["msg"]
        assert package in result["msg"]


def test_secrets_are_nowhere_in_the_most_verbose_output(play: Any) -> None:
    checks = [
        {"http": {"url": "http://127.0.0.1:1/", "headers": {"Authorization": f"Bearer {SECRET}-header"}}},
        {"name": "b", "http": {"url": "http://127.0.0.1:1/", "username": "u", "password": f"{SECRET}-basic"}},
        {"name": "c", "http": {"url": "http://127.0.0.1:1/", "body": f"{SECRET}-body"}},
        {"redis": {"password": f"{SECRET}-redis"}},
        {"tcp": {"port": 1}},
    ]
    checks[1]["http"]["headers"] = {"X-Forwarded-Proto": "http", "X-Debug": "1"}
    # The password reaches the play as in real life: out of a variable, not as text of the task.
    text = json.dumps({"checks": checks, "timeout": 1}).replace(SECRET, "{{ lookup('env', 'HEALTH_SECRET') }}")
    os.environ["HEALTH_SECRET"] = SECRET
    try:
        run = play(json.loads(text), arguments=("-vvv",))
    finally:
        del os.environ["HEALTH_SECRET"]
    assert run.results[0]["failed"]
    assert SECRET not in run.text
    # Values that are no secret don't take the rest of the output with them.
    assert [check["target"] for check in run.results[0]["checks"]][2:] == [
        "http://127.0.0.1:1/",
        "default@127.0.0.1:6379",
        "127.0.0.1:1",
    ]


def test_bad_options_are_refused_by_name(play: Any) -> None:
    bad_url, two_kinds, bad_count = play(
        {"checks": [{"http": {"url": "shop.example.com"}}]},
        {"checks": [{"tcp": {"port": 22}, "unix": {"path": "/x"}}]},
        {"checks": [{"tcp": {"port": 22}}], "require": "2"},
    ).results
    assert bad_url["msg"].startswith("checks[0].http.url: must be an http:// or https:// URL")
    assert "mutually exclusive" in two_kinds["msg"]
    assert bad_count["msg"].startswith("require: must be all, any or a number from 1 to 1")
