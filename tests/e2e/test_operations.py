# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does from day to day, by the playbooks. One story: each test goes on where the one before ended."""

from __future__ import annotations

import json
import urllib.request

import pytest

from lab import fleet
from tests.e2e import operator as op

pytestmark = pytest.mark.usefixtures("provisioned")


def version() -> str:
    return str(json.loads(op.get("/version")[1])["version"])


def restore_points() -> set[str]:
    """The kept restore points by id; retention may drop one of the same day for a new one."""
    return {point["id"] for point in json.loads(op.ssh("db1", "sudo keelson backup list shop --json"))["points"]}


def tags(repository: str) -> list[str]:
    """The tags that the lab's registry has of a repository."""
    port = fleet.local_port("lab", "registry", 5000)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/{repository}/tags/list", timeout=15) as answer:
        return sorted(json.load(answer)["tags"])


def backends(host: str) -> list[str]:
    """The containers of the back end on a host, by id."""
    return op.ssh(host, "sudo docker ps -q --filter label=com.docker.compose.service=backend").split()


def operate(name: str, **variables: str) -> op.Run:
    return op.playbook(f"keelson.ops.{name}", "--extra-vars", json.dumps(variables))


def test_status_shows_every_service_of_every_host() -> None:
    run = operate("status")
    assert run.rc == 0, run.tail
    assert not any(run.changed.values())
    shown = [line.split() for line in run.output.splitlines()]
    for host in ("app1", "app2"):
        assert any({host, "shop", "backend", "2/2", "healthy"} <= set(words) for words in shown), run.tail
    assert any({"db1", "data", "postgres", "1/1", "healthy"} <= set(words) for words in shown), run.tail
    assert "everything runs as released" in run.output


def test_a_dry_run_shows_the_nine_steps_and_takes_none_of_them() -> None:
    before = (version(), restore_points(), tags("demo-backend"), backends("app1"))
    run = op.playbook("keelson.ops.deploy", "--check", "--diff", "--extra-vars", "version=1.2.0")
    assert run.rc == 0, run.tail
    for said in (
        "shop 1.2.0 to app1, app2",
        "keelson backup run --all on db1",
        "demo-backend:1.2.0",
        "backend: roll, start 2",
    ):
        assert said in run.output, said
    assert (version(), restore_points(), tags("demo-backend"), backends("app1")) == before


def test_a_version_is_tested_backed_up_built_pushed_and_deployed_without_a_failed_request() -> None:
    points, current = restore_points(), version()
    assert current != "1.2.0"
    with op.traffic("/api/health") as during:
        run = operate("deploy", version="1.2.0")
    assert run.rc == 0, run.tail
    assert version() == "1.2.0"
    assert during.total > 20
    assert during.failures == []
    assert restore_points() - points, "a new restore point"
    assert [tag for tag in tags("demo-backend") if tag.startswith("1.2.0-")], "the tag with date and commit"
    print(f"deploy: {during.total} requests, 0 failed, {run.seconds:.0f} s")


def test_a_bump_goes_on_from_the_highest_release() -> None:
    run = op.playbook("keelson.ops.deploy", "--check", "--extra-vars", "bump=minor skip_tests=true")
    assert run.rc == 0, run.tail
    assert "shop 1.3.0 to app1, app2" in run.output


def test_a_service_is_scaled_and_back() -> None:
    for replicas in ("3", "2"):
        run = operate("scale", service="backend", replicas=replicas, target="app1")
        assert run.rc == 0, run.tail
        assert len(backends("app1")) == int(replicas)
    run = operate("scale", service="backend", replicas="9")
    assert run.rc != 0
    assert "9 replicas do not fit into the 4 host ports" in run.output
    assert version() == "1.2.0"


def test_logs_are_chosen_by_service_level_and_time() -> None:
    run = operate("logs", service="backend", since="30m", lines="5")
    assert run.rc == 0, run.tail
    assert "app1 backend-" in run.output
    run = operate("logs", service="backend", since="30m", level="critical")
    assert run.rc == 0, run.tail
    assert '"level": "info"' not in run.output
    run = operate("logs", service="nobody")
    assert run.rc != 0
    assert "backend, migrate, seed, web" in run.output


def test_a_command_runs_once_in_a_container() -> None:
    run = operate("exec", service="backend", command="python3 -m shop status")
    assert run.rc == 0, run.tail
    assert run.output.count("0001_accounts") == 1
    run = operate("exec", service="backend", command="python3 -m shop nonsense")
    assert run.rc != 0
    assert "exit code 2" in run.output


def test_a_service_is_restarted_one_container_at_a_time() -> None:
    def started() -> list[str]:
        ids = " ".join(backends("app1"))
        return op.ssh("app1", f"sudo docker inspect --format '{{{{.State.StartedAt}}}}' {ids}").split()

    before = started()
    with op.traffic("/health") as during:
        run = operate("restart", service="backend")
    assert run.rc == 0, run.tail
    assert not set(before) & set(started())
    assert during.failures == []


def test_a_rollback_to_a_version() -> None:
    run = operate("rollback", release="1.0.0")
    assert run.rc == 0, run.tail
    assert version() == "1.0.0"
