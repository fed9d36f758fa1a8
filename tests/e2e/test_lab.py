# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab as its operator meets it. One story: each test goes on from where the one before it ended."""

from __future__ import annotations

import http.client
import json
import time

from lab.checks import SITE, targets
from tests.e2e import operator as op

HOSTS = {"edge1", "app1", "app2", "db1", "mon1"}


def test_check_mode_works_on_bare_hosts() -> None:
    bare = op.lab("up", "--no-provision")
    assert bare.rc == 0, bare.tail
    run = op.playbook("site.yml", "--check", "--diff")
    assert run.rc == 0, run.tail
    assert set(run.changed) == HOSTS
    assert all(run.changed.values()), "a bare host has something to change"
    assert op.ssh("edge1", "test -e /usr/bin/caddy || echo bare").strip() == "bare"


def test_an_interrupted_start_is_finished_by_the_next() -> None:
    assert op.interrupted_lab("Provide the platform", "up") != 0
    run = op.lab("up")
    assert run.rc == 0, run.tail
    assert set(run.changed) == HOSTS
    assert "FAILED" not in run.output


def test_second_run_changes_nothing() -> None:
    run = op.playbook("site.yml")
    assert run.rc == 0, run.tail
    assert run.changed == dict.fromkeys(HOSTS, 0), run.tail
    print(f"second run: {run.seconds:.0f} s, tasks per host {run.tasks}")


def test_check_mode_on_finished_hosts_finds_nothing_to_change() -> None:
    run = op.playbook("site.yml", "--check", "--diff")
    assert run.rc == 0, run.tail
    assert run.changed == dict.fromkeys(HOSTS, 0), run.tail


def test_https_is_strict() -> None:
    status, _, headers = op.get("/health")
    assert status == 200
    assert headers["strict-transport-security"].startswith("max-age=63072000")
    assert headers["x-content-type-options"] == "nosniff"
    plain = http.client.HTTPConnection("127.0.0.1", op.PORTS.http, timeout=10)
    plain.request("GET", "/orders", headers={"Host": SITE})
    answer = plain.getresponse()
    assert answer.status in {301, 308}
    assert (answer.getheader("Location") or "").startswith(f"https://{SITE}/")


def test_front_end_and_api_answer_through_the_edge() -> None:
    status, page, _ = op.get("/")
    assert status == 200
    assert b"<html" in page.lower()
    status, body, _ = op.get("/api/health")
    assert status == 200, body


def test_database_is_reachable_for_applications_only() -> None:
    probe = "timeout 5 bash -c '</dev/tcp/{}/{}' 2>/dev/null && echo open || echo closed"
    for port in (5432, 6379):
        command = probe.format(op.ADDRESSES["db1"], port)
        assert op.ssh("app1", command).strip() == "open"
        assert op.ssh("edge1", command).strip() == "closed"


def test_root_and_passwords_cannot_log_in() -> None:
    configuration = op.ssh("db1", "sudo sshd -T").splitlines()
    assert "permitrootlogin no" in configuration
    assert "passwordauthentication no" in configuration


def test_a_killed_application_process_comes_back() -> None:
    container = op.ssh("app1", "sudo docker ps -q --filter label=com.docker.compose.service=backend").split()[0]
    inspect = f"sudo docker inspect {container}"
    before = json.loads(op.ssh("app1", inspect))[0]
    op.ssh("app1", f"sudo kill -9 {before['State']['Pid']}")

    def state() -> dict[str, object]:
        found = json.loads(op.ssh("app1", inspect))[0]
        return {**found["State"], "restarts": found["RestartCount"]}

    op.eventually(
        state,
        lambda now: now["restarts"] == before["RestartCount"] + 1 and now["Health"]["Status"] == "healthy",  # type: ignore[index]
        within=120,
    )
    assert op.get("/health")[0] == 200


def test_prometheus_sees_every_host_and_its_rules_work() -> None:
    # A replica that was killed may come back on another port, while its old one counts until the next scrape.
    op.eventually(lambda: targets(op.PORTS), lambda found: "exporters and 4 replicas" in found, within=120)
    active = op.prometheus("targets?state=active")["activeTargets"]
    assert {target["labels"].get("host") for target in active} >= HOSTS
    rules = [rule for group in op.prometheus("rules?type=alert")["groups"] for rule in group["rules"]]
    assert len(rules) >= 19
    assert [rule for rule in rules if rule["health"] == "err"] == []


def test_a_backup_is_in_s3_and_restores() -> None:
    points = json.loads(op.ssh("db1", "sudo keelson backup list shop --json"))
    assert points, "no restore point"
    drill = op.ssh("db1", "sudo keelson backup drill shop --json")
    assert json.loads(drill), drill


def test_a_new_version_is_deployed_without_a_failed_request_and_rolled_back() -> None:
    def version() -> str:
        return str(json.loads(op.get("/version")[1])["version"])

    assert version() == "1.0.0"
    with op.traffic("/api/health") as during_deploy:
        run = op.playbook("site.yml", "--tags", "deploy", "--extra-vars", "shop_version=1.1.0")
    assert run.rc == 0, run.tail
    assert version() == "1.1.0"
    assert during_deploy.total > 20
    assert during_deploy.failures == []
    started = time.monotonic()
    run = op.playbook("keelson.ops.rollback", "--extra-vars", "project=shop")
    assert run.rc == 0, run.tail
    assert version() == "1.0.0"
    print(f"deploy: {during_deploy.total} requests, 0 failed; rollback {time.monotonic() - started:.0f} s")
