# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what runs."""

from __future__ import annotations

from typing import Any

from ansible_collections.keelson.ops.plugins.module_utils._compose.status import host_cells, rows, table

RELEASE = {
    "number": 3,
    "version": "1.1.0",
    "services": {"backend": {"replicas": 2}, "migrate": {"replicas": 1}, "web": {"replicas": 1}},
}


def container(service: str, status: str = "running", health: str | None = None, **more: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service, **more.pop("labels", {})}
    state = {"Status": status, "Running": status == "running", "Health": {"Status": health} if health else None}
    policy = more.pop("policy", "unless-stopped")
    return {
        "Config": {"Labels": labels, "Image": f"{service}:1.1.0"},
        "State": {**state, **more},
        "HostConfig": {"RestartPolicy": {"Name": policy}},
    }


MIGRATED = container("migrate", "exited", ExitCode=0, policy="no")
WELL = [container("backend", health="healthy"), container("backend", health="healthy"), container("web"), MIGRATED]


def shown(containers: list[dict[str, Any]], **silent: str) -> list[str]:
    return table([], rows("app1", containers, {"shop": {"releases": [RELEASE]}}), silent)


def test_one_line_a_service_with_its_release_and_replicas() -> None:
    lines = shown(WELL)
    assert lines[1].split() == ["app1", "shop", "3", "1.1.0", "backend", "2/2", "healthy", "backend:1.1.0"]
    assert lines[2].split()[5:7] == ["-", "done"]
    assert lines[-1] == "everything runs as released"


def test_each_problem_is_named() -> None:
    broken = [container("backend", health="unhealthy"), container("web", "exited", ExitCode=137, OOMKilled=True)]
    text = "\n".join(shown([*broken, MIGRATED], db1="unreachable: no route"))
    assert "3 problems:" in text
    assert "backend on app1: unhealthy" in text
    assert "web on app1: out of memory" in text
    assert "db1: unreachable: no route" in text


def test_a_service_of_the_release_without_a_container_is_missed() -> None:
    text = "\n".join(shown([MIGRATED, container("web")]))
    assert "backend on app1: 0 running, 2 wanted" in text
    assert "missing" in text


def test_a_failed_migration_is_a_problem_and_one_off_containers_are_not_shown() -> None:
    failed = container("migrate", "exited", ExitCode=1, policy="no")
    one_off = container("backend", labels={"com.docker.compose.oneoff": "True"})
    lines = shown([*WELL[:3], failed, one_off])
    assert "  migrate on app1: exited 1" in lines
    assert "2/2" in lines[1]


def test_only_the_project_that_is_asked_for() -> None:
    assert rows("app1", WELL, {}, "data") == []
    assert table([], [], {}) == ["no Compose project runs here"]


def test_a_host_is_described_by_its_facts_and_by_dashes_without_them() -> None:
    facts = {
        "ansible_distribution": "Debian",
        "ansible_distribution_version": "13.1",
        "ansible_uptime_seconds": 90000,
        "ansible_loadavg": {"1m": 0.25},
        "ansible_memory_mb": {"nocache": {"used": 300, "free": 700}},
        "ansible_mounts": [
            {"mount": "/", "size_total": 100, "size_available": 90},
            {"mount": "/data", "size_total": 100, "size_available": 20},
        ],
    }
    assert host_cells("app1", facts) == ("app1", "Debian 13.1", "1 d 1 h", "0.2", "30%", "80%")
    assert host_cells("app1", {})[1] == "-"
