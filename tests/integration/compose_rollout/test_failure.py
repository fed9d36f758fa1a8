# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments that fail: what ran before runs on, and the reason is told."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.compose_rollout.conftest import Project
from tests.integration.compose_rollout.load import Load

Until = Callable[[Callable[[], bool], str], None]


def test_an_unhealthy_version_is_removed_while_the_old_one_serves(serving: Project) -> None:
    before = serving.ids()
    serving.compose("bad")
    with Load(serving.host.address, serving.ports) as load:
        outcome = serving.deploy(wait_timeout=90)
    assert outcome.rc != 0
    assert outcome.result["diagnostics"]["health"] == "unhealthy", outcome.text
    assert "unhealthy" in outcome.result["msg"]
    assert "a-token-nobody-may-see" not in outcome.text
    assert any("version bad begins" in line for line in outcome.result["diagnostics"]["log"])
    assert serving.ids() == before
    assert load.answers["v1"]


def test_a_version_that_exits_fails_at_once(serving: Project) -> None:
    before = serving.ids()
    serving.compose("crash", restart="no")
    outcome = serving.deploy(wait_timeout=600)
    assert outcome.rc != 0
    assert "exited with code 3" in outcome.result["msg"], outcome.text
    assert serving.ids() == before


def test_a_recreated_service_that_fails_goes_back_to_its_release(project: Project) -> None:
    alone = {"deploy": {"replicas": 1}, "ports": [f"{project.base}:8000"]}
    project.compose("v1", **alone)
    assert project.deploy().rc == 0
    project.compose("crash", **alone)
    outcome = project.deploy()
    assert outcome.rc != 0
    assert outcome.result["rolled_back"] is True, outcome.text
    assert "went back to release 1" in outcome.result["msg"]
    assert [c["Image"] for c in project.containers()] == ["application:v1"]


def test_a_failed_migration_leaves_the_service_alone(serving: Project) -> None:
    before = serving.ids()
    migrate = {"image": "application:v2", "volumes": ["/usr:/usr:ro"], "command": ["false"]}
    depends = {"migrate": {"condition": "service_completed_successfully"}}
    serving.compose("v2", services={"migrate": migrate}, depends_on=depends)
    outcome = serving.deploy()
    assert outcome.rc != 0
    assert "service migrate" in outcome.result["msg"]
    assert "exited with code 1" in outcome.result["msg"], outcome.text
    assert serving.ids() == before


def test_killed_in_the_middle_the_next_run_converges(project: Project, until: Until) -> None:
    project.compose("v1")
    assert project.deploy().rc == 0
    project.compose("v2", environment={"APP_BOOT": "8"})
    with Load(project.host.address, project.ports) as load:
        process = project.host.begin("compose_rollout", project=project.name)
        until(lambda: len(project.containers()) == 4, "old and new containers side by side")
        project.kill()
        assert project.host.wait(process).rc != 0
        assert len(project.containers()) == 4
        outcome = project.deploy()
    assert outcome.rc == 0, outcome.text
    assert outcome.result["resumed_after"]["service"] == "web"
    assert [c["Image"] for c in project.containers()] == ["application:v2"] * 2
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    assert project.deploy().result["changed"] is False


def test_going_back_after_a_kill_removes_the_strays(project: Project, until: Until) -> None:
    project.compose("v1")
    assert project.deploy().rc == 0
    before = project.ids()
    project.compose("v2", environment={"APP_BOOT": "30"}, stop_grace_period="1s")
    process = project.host.begin("compose_rollout", project=project.name)
    until(lambda: len(project.containers()) == 4, "old and new containers side by side")
    project.kill()
    project.host.wait(process)
    project.compose("v1")
    assert project.deploy().rc == 0
    assert project.ids() == before


def test_the_second_of_two_names_the_holder_or_waits(project: Project, until: Until) -> None:
    project.compose("v1")
    go = f"/opt/{project.name}/go"
    hooks = {"pre_deploy": [f"sh -c 'until test -e {go}; do sleep 0.2; done'"]}
    first = project.host.begin("compose_rollout", project=project.name, version="one", hooks=hooks)
    until(lambda: "pid" in project.host.sh(f"cat {project.state}/lock", check=False), "the first deployment at work")
    refused = project.deploy(version="two", lock_timeout=0)
    assert refused.rc != 0
    assert f"held by deployment of project {project.name} one" in refused.result["msg"], refused.text
    second = project.host.begin("compose_rollout", project=project.name, version="one", lock_timeout=300)
    project.host.sh(f"touch {go}")
    assert project.host.wait(first).rc == 0
    waited = project.host.wait(second)
    assert (waited.rc, waited.result["changed"]) == (0, False), waited.text


def test_bad_input_names_the_option_and_touches_nothing(serving: Project) -> None:
    before = serving.ids()
    serving.compose("v9")
    cases = {
        "is not on this host and pull is never": serving.deploy(pull="never"),
        "cannot pull image application:v9": serving.deploy(),
        "services: nothere not in the project; it has web": serving.deploy(services=["nothere"]),
    }
    serving.compose("v1", ports=[f"{serving.base}:8000"], deploy={"replicas": 1})
    rolling = [{"name": "web", "strategy": "rolling"}]
    cases["publishes the single host port"] = serving.deploy(service_settings=rolling)
    serving.compose("v2", ports=[f"{serving.base}-{serving.base + 1}:8000"])
    cases["Publish a range of at least 3 ports"] = serving.deploy()
    serving.host.write(f"/opt/{serving.name}/compose.yaml", "services: [")
    cases["the Compose project is not valid"] = serving.deploy()
    for expected, outcome in cases.items():
        assert outcome.rc != 0
        assert expected in outcome.result["msg"], outcome.text
    assert serving.ids() == before


def test_a_registry_that_is_not_there_leaves_what_runs_alone(serving: Project) -> None:
    before = serving.ids()
    reference = "127.0.0.1:5009/shop/web:v2"
    serving.compose(image=reference)
    with Load(serving.host.address, serving.ports) as load:
        outcome = serving.deploy()
    assert outcome.rc != 0
    for words in (reference, "service web", "reaches the registry", "option registry", "nothing was changed"):
        assert words in outcome.result["msg"], outcome.text
    assert serving.ids() == before
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    assert set(load.answers) == {"v1"}
