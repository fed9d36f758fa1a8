# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments that succeed: no request is lost, and nothing is done twice."""

from __future__ import annotations

import json

from tests.integration.compose_rollout.conftest import Project
from tests.integration.compose_rollout.load import Load

WRITES = (
    "create",
    "start",
    "stop",
    "kill",
    "die",
    "destroy",
    "tag",
    "untag",
    "pull",
    "rename",
    "connect",
    "disconnect",
)


def test_check_mode_on_a_bare_host_writes_nothing(project: Project) -> None:
    project.compose()
    outcome = project.deploy("--check", "--diff")
    assert outcome.result["changed"], outcome.text
    assert outcome.actions == {"web": "create"}
    assert project.containers() == []
    assert project.host.sh(f"test ! -e {project.state} && echo absent") == "absent\n"


def test_second_deployment_changes_nothing_and_asks_docker_for_nothing(project: Project) -> None:
    project.compose(
        services={"migrate": {"image": "application:v1", "volumes": ["/usr:/usr:ro"], "command": ["true"]}},
        depends_on={"migrate": {"condition": "service_completed_successfully"}},
    )
    first = project.deploy(version="1.0.0")
    assert first.rc == 0, first.text
    assert first.actions == {"migrate": "run", "web": "create"}
    assert first.result["release"] == 1
    before = project.ids()
    since = project.host.sh("date +%s.%N").strip()
    second = project.deploy(version="1.0.0")
    assert (second.rc, second.result["changed"]) == (0, False), second.text
    assert _docker_writes(project, since) == []
    assert project.ids() == before
    by_hand = project.by_hand("up -d")
    assert project.ids() == before, by_hand


def test_new_version_replaces_the_old_one_without_losing_a_request(project: Project) -> None:
    project.compose("v1")
    assert project.deploy().rc == 0
    project.compose("v2")
    with Load(project.host.address, project.ports) as load:
        outcome = project.deploy(version="2")
    assert outcome.rc == 0, outcome.text
    assert outcome.actions == {"web": "roll"}
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    assert load.answers["v1"] and load.answers["v2"]
    assert [c["Image"] for c in project.containers()] == ["application:v2"] * 2
    before = project.ids()
    project.by_hand("up -d")
    assert project.ids() == before


def test_a_moved_tag_and_a_changed_secret_are_seen(project: Project) -> None:
    project.host.sh("docker tag application:v1 moving:latest")
    project.host.write(f"/opt/{project.name}/secret.txt", "first-secret")
    project.compose(image="moving:latest", secrets=["token"], secret_files={"token": {"file": "./secret.txt"}})
    assert project.deploy().rc == 0
    project.host.sh("docker tag application:v2 moving:latest")
    preview = project.deploy("--check", "--diff")
    assert preview.actions == {"web": "roll"}, preview.text
    moved = project.deploy()
    assert moved.rc == 0, moved.text
    assert "is now" in moved.result["plan"][0]["reasons"][0]
    assert project.deploy().result["changed"] is False
    project.host.write(f"/opt/{project.name}/secret.txt", "second-secret")
    changed = project.deploy()
    assert "contents of its secrets" in changed.result["plan"][0]["reasons"][0], changed.text
    reader = f"docker exec {min(project.ids())} cat /run/secrets/token"
    assert project.host.sh(reader) == "second-secret"
    assert "second-secret" not in project.host.sh(f"cat {project.state}/*.json /var/log/keelson/rollout.jsonl")
    assert project.deploy().result["changed"] is False


def test_services_that_cannot_run_twice_are_recreated(project: Project) -> None:
    data = {
        "image": "application:v1",
        "volumes": ["/usr:/usr:ro", "data:/data"],
        "container_name": f"{project.name}-only",
        "environment": {"GENERATION": "1"},
    }
    project.compose(services={"data": data}, depends_on=["data"])
    assert project.deploy().rc == 0
    project.compose(services={"data": {**data, "environment": {"GENERATION": "2"}}}, depends_on=["data"])
    web = project.ids()
    outcome = project.deploy()
    assert outcome.rc == 0, outcome.text
    assert outcome.actions == {"data": "recreate", "web": "none"}
    assert "container_name" in outcome.result["plan"][0]["strategy_reason"]
    assert project.ids() == web
    assert project.deploy().result["changed"] is False


def test_a_replica_that_died_is_replaced_and_the_number_of_replicas_followed(project: Project) -> None:
    project.compose()
    assert project.deploy().rc == 0
    victim = project.containers()[0]["ID"]
    project.host.sh(f"docker stop -t 0 {victim}")
    healed = project.deploy()
    assert healed.rc == 0, healed.text
    assert victim not in project.ids()
    assert len(project.ids()) == 2
    project.compose(deploy={"replicas": 1})
    assert project.deploy().actions == {"web": "scale"}
    assert len(project.ids()) == 1
    assert project.deploy().result["changed"] is False


def _docker_writes(project: Project, since: str) -> list[str]:
    events = project.host.sh(f"docker events --since {since} --until $(date +%s.%N) --format '{{{{json .}}}}'")
    found = [json.loads(line) for line in events.splitlines()]
    return [event["Action"] for event in found if event["Action"] in WRITES]
