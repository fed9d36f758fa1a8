# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: kept, listed, gone back to."""

from __future__ import annotations

from tests.integration.compose_rollout.conftest import Project
from tests.integration.compose_rollout.load import Load


def test_rolling_back_to_the_previous_release_and_to_a_version(project: Project) -> None:
    for version in ("v1", "v2", "v3"):
        project.compose(version)
        assert project.deploy(version=version).rc == 0
    with Load(project.host.address, project.ports) as load:
        back = project.deploy(state="rolled_back")
    assert back.rc == 0, back.text
    assert (back.result["version"], back.result["release"]) == ("v2", 4)
    assert [c["Image"] for c in project.containers()] == ["application:v2"] * 2
    assert load.failures == [], f"{len(load.failures)} of {load.total}"
    named = project.deploy(state="rolled_back", release="v1")
    assert named.rc == 0, named.text
    assert [c["Image"] for c in project.containers()] == ["application:v1"] * 2
    again = project.deploy(state="rolled_back", release="v1")
    assert (again.rc, again.result["changed"]) == (0, False), again.text
    missing = project.deploy(state="rolled_back", release="v9")
    assert "release: v9 is not kept" in missing.result["msg"], missing.text


def test_a_moved_tag_is_rolled_back_to_the_image_that_ran(project: Project) -> None:
    project.host.sh("docker tag application:v1 moved:latest")
    project.compose(image="moved:latest")
    assert project.deploy().rc == 0
    project.host.sh("docker tag application:v2 moved:latest")
    assert project.deploy().rc == 0
    project.host.sh("docker image prune -f")
    assert project.deploy(state="rolled_back").rc == 0
    wanted = project.host.sh("docker image inspect -f '{{.Id}}' application:v1")
    running = project.host.sh("docker inspect -f '{{.Image}}' " + " ".join(project.ids()))
    assert set(running.split()) == {wanted.strip()}


def test_only_as_many_releases_as_asked_for_are_kept_and_no_secret_in_the_manifest(project: Project) -> None:
    for version in ("v1", "v2", "v3"):
        project.compose(version)
        assert project.deploy(version=version, keep_releases=2).rc == 0
    info = project.host.module("compose_release_info", project=project.name).result
    assert [release["number"] for release in info["releases"]] == [2, 3]
    assert info["current"] == 3
    tags = project.host.sh(f"docker images --format '{{{{.Tag}}}}' keelson-release/{project.name}/web").split()
    assert sorted(tags) == ["rollout-2", "rollout-3"]
    assert project.host.sh(f"stat -c %a {project.state}/3.json {project.state}/3.compose.json").split() == ["600"] * 2
    assert "a-token-nobody-may-see" not in project.host.sh(f"cat {project.state}/3.json /var/log/keelson/rollout.jsonl")
    metrics = project.host.sh(f"cat /var/lib/prometheus/node-exporter/keelson_rollout_{project.name}.prom")
    assert f'keelson_rollout_release{{project="{project.name}"}} 3' in metrics
