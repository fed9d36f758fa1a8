# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of a real Engine."""

from __future__ import annotations

import uuid

from .conftest import BASE_IMAGE, Start, error_of, wait

SLEEP = ["sleep", "1000"]
SECOND = 1_000_000_000


def health(test: str, retries: int = 2) -> dict[str, object]:
    return {"test": ["CMD-SHELL", test], "interval": SECOND // 5, "timeout": 10 * SECOND, "retries": retries}


def test_a_container_without_a_health_check_must_run(start: Start) -> None:
    container = start(BASE_IMAGE, SLEEP)
    report = wait({"docker": {"container": container.name}})
    assert report.ok
    assert report.checks[0].timeline[0].words == f"{container.name} is running"
    assert error_of({"docker": {"container": container.name, "health": "required"}}) == (
        f"{container.name} has no health check"
    )


def test_a_health_check_is_waited_for(start: Start) -> None:
    container = start(BASE_IMAGE, SLEEP, healthcheck=health("test -e /tmp/ready || { echo not yet; exit 1; }", 1000))
    check = {"docker": {"container": container.id}}
    assert "is starting" in error_of(check)
    container.exec_run(["touch", "/tmp/ready"])
    report = wait(check)
    assert report.ok
    assert report.checks[0].timeline[-1].words == f"{container.name} is running and healthy"


def test_an_unhealthy_container_fails_at_once_with_what_its_check_said(start: Start) -> None:
    container = start(BASE_IMAGE, SLEEP, healthcheck=health("echo no database; exit 1"))
    report = wait({"docker": {"container": container.name}}, timeout=300)
    assert report.checks[0].state.value == "failed"
    assert report.seconds < 120
    assert report.checks[0].error == f"{container.name} is unhealthy: no database"
    patient = error_of({"docker": {"container": container.name, "fail_fast": ["exited"]}})
    assert patient == report.checks[0].error


def test_a_container_that_exits_fails_at_once(start: Start) -> None:
    container = start(BASE_IMAGE, ["sh", "-c", "exit 3"])
    report = wait({"docker": {"container": container.name}}, timeout=300, stable_for=30)
    assert report.seconds < 60
    assert report.checks[0].error == f"{container.name} is exited (exit code 3)"


def test_a_container_killed_for_lack_of_memory_fails_at_once(start: Start) -> None:
    container = start(BASE_IMAGE, ["tail", "/dev/zero"], mem_limit="16m", memswap_limit="16m")
    report = wait({"docker": {"container": container.name}}, timeout=300, stable_for=60)
    assert report.seconds < 120
    # Where the kernel does not tell the Engine why (some nested set-ups), only the exit code is left.
    reasons = ("was killed: out of memory (exit code 137)", "is exited (exit code 137)")
    assert report.checks[0].error in [f"{container.name} {reason}" for reason in reasons]


def test_a_restart_loop_fails_and_does_not_pass_for_running(start: Start) -> None:
    container = start(BASE_IMAGE, ["sh", "-c", "sleep 0.3; exit 5"], restart_policy={"Name": "always"})
    report = wait({"docker": {"container": container.name}}, timeout=300, stable_for=120)
    assert report.checks[0].state.value == "failed"
    assert "restart loop: restarted" in report.checks[0].error


def test_a_container_may_appear_later() -> None:
    assert error_of({"docker": {"container": f"nobody-{uuid.uuid4().hex}"}}) == "no such container"


def test_every_replica_of_a_compose_service_counts(start: Start) -> None:
    project = f"health{uuid.uuid4().hex[:8]}"

    def replica(**options: object) -> str:
        labels = {
            "com.docker.compose.project": project,
            "com.docker.compose.service": "backend",
            "com.docker.compose.oneoff": str(options.pop("oneoff", False)),
        }
        return str(start(BASE_IMAGE, options.pop("command", SLEEP), labels=labels, **options).name)

    replica()
    replica(oneoff=True, command=["false"])
    check = {"docker": {"project": project, "service": "backend", "replicas": 2}}
    assert error_of(check) == "1 of 2 replicas exist"
    second = replica(healthcheck=health("test -e /tmp/ready", 1000))
    assert error_of(check).startswith(f"{second} is starting")
    assert wait({"docker": {**check["docker"], "health": "ignored"}}).ok


def test_an_engine_that_does_not_answer_is_said() -> None:
    error = error_of({"docker": {"container": "x", "docker_host": "unix:///nonexistent/docker.sock"}}, timeout=5)
    assert error.startswith("Docker Engine: ")
