# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with care: watching, hooks, migrations, checks, applications that do not help."""

from __future__ import annotations

from tests.integration.compose_rollout.conftest import Project
from tests.integration.compose_rollout.load import Load


def test_what_turns_sick_while_it_is_watched_hands_back_without_losing_a_request(serving: Project) -> None:
    project = serving
    before = project.ids()
    project.compose("v2", environment={"APP_SICK_AFTER": "12"})
    with Load(project.host.address, project.ports) as load:
        outcome = project.deploy(watch=120)
    assert outcome.rc != 0
    assert "while it was watched" in outcome.result["msg"], outcome.text
    assert outcome.result["rolled_back"] is True
    assert project.ids() == before
    assert load.answers["v2"], "the new version served for a while"
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    with Load(project.host.address, project.ports) as load:
        assert project.deploy("--check").rc == 0
    assert set(load.answers) == {"v1"}


def test_application_that_ignores_its_stop_signal_loses_no_request(project: Project) -> None:
    stubborn = {"environment": {"APP_IGNORE_TERM": "1", "APP_SECONDS": "0.4"}, "stop_grace_period": "2s"}
    project.compose("v1", **stubborn)
    assert project.deploy().rc == 0
    port = next(int(c["Ports"].split("->")[0].rsplit(":")[-1]) for c in project.containers())
    project.compose("v2", **stubborn)
    with Load(project.host.address, project.ports, threads=8) as load:
        outcome = project.deploy(probe=f"http://{project.host.address}:{port}/")
    assert outcome.rc == 0, outcome.text
    assert 0 < outcome.result["probe"]["failed"] < outcome.result["probe"]["total"]
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    assert load.answers["v2"]


def test_hooks_and_migration_happen_in_their_order(project: Project) -> None:
    log = f"/opt/{project.name}/log"
    hooks = {
        moment: [f"sh -c 'echo {moment} $KEELSON_SERVICE >> {log}'"]
        for moment in ("pre_deploy", "pre_switch", "post_switch", "post_deploy", "on_failure")
    }
    volumes = ["/usr:/usr:ro", f"/opt/{project.name}:/state"]
    settings = [{"name": "web", "migrate": ["sh", "-c", "echo migrate $(cat /application/version) >> /state/log"]}]
    project.compose("v1", volumes=volumes)
    assert project.deploy().rc == 0
    project.compose("v2", volumes=volumes)
    outcome = project.deploy(hooks=hooks, service_settings=settings)
    assert outcome.rc == 0, outcome.text
    lines = [line.strip() for line in project.host.sh(f"cat {log}").splitlines()]
    assert lines == ["pre_deploy", "migrate v2", "pre_switch web", "post_switch web", "post_deploy"]
    project.compose("v3", volumes=volumes)
    before = project.ids()
    failed = project.deploy(hooks=hooks, service_settings=[{"name": "web", "migrate": ["false"]}])
    assert "migrate failed" in failed.result["msg"], failed.text
    assert project.host.sh(f"tail -n1 {log}").strip() == "on_failure"
    assert project.ids() == before


def test_a_check_that_fails_keeps_the_old_version(serving: Project) -> None:
    checks = [{"http": {"url": "http://{address}:8000/", "body_regex": "^v1$"}}]
    before = serving.ids()
    serving.compose("v2")
    outcome = serving.deploy(service_settings=[{"name": "web", "checks": checks, "wait_timeout": 12}])
    assert outcome.rc != 0
    assert "not healthy" in outcome.result["msg"], outcome.text
    assert serving.ids() == before
