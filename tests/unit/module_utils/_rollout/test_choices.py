# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images chosen by options, logins, and containers of services that are no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.override import NAME, OverrideFile, images_in
from ansible_collections.keelson.ops.plugins.module_utils._rollout.registry import login_for, logins_from, registry_of

from tests.unit.module_utils._rollout.world import KilledError, World, files, images, rollout

V2 = [{"name": "web", "image": "web:v2"}]


def deployed(directory: Path) -> World:
    world = World(files(), images())
    rollout(world, directory).run()
    return world


def running(world: World) -> set[str]:
    return {c.image_id for c in world.containers("p") if c.service == "web"}


def test_a_chosen_image_is_deployed_published_kept_for_rollback_and_let_go(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    assert not (tmp_path / NAME).exists()
    assert rollout(world, tmp_path, service_settings=V2).preview()["changed"] is True
    assert not (tmp_path / NAME).exists()
    rollout(world, tmp_path, service_settings=V2).run()
    assert running(world) == {"sha256:web2"}
    assert images_in((tmp_path / NAME).read_text()) == {"web": "web:v2"}
    assert rollout(world, tmp_path, service_settings=V2).run()["changed"] is False
    rollout(world, tmp_path, services=["db"]).run()
    assert images_in((tmp_path / NAME).read_text()) == {"web": "web:v2"}
    rollout(world, tmp_path, state="rolled_back").run()
    assert running(world) == {"sha256:web1"}
    assert images_in((tmp_path / NAME).read_text()) == {"web": "web:v1"}
    rollout(world, tmp_path).run()
    assert not (tmp_path / NAME).exists()


def test_an_image_that_fails_is_not_published(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.sick = {"sha256:bad"}
    with pytest.raises(OpsError, match="unhealthy"):
        rollout(world, tmp_path, service_settings=[{"name": "web", "image": "web:bad"}]).run()
    assert not (tmp_path / NAME).exists()


def test_a_users_own_override_file_stays(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    own = "services: {web: {environment: {A: b}}}\n"
    (tmp_path / NAME).write_text(own)
    with pytest.raises(OpsError, match="not of this module"):
        rollout(world, tmp_path, service_settings=V2).run()
    assert rollout(world, tmp_path).run()["changed"] is False
    assert (tmp_path / NAME).read_text() == own


def test_a_damaged_override_file_of_ours_is_replaced(tmp_path: Path) -> None:
    file = OverrideFile(tmp_path)
    file.publish({"web": "a"})
    file.path.write_text(file.path.read_text()[:-4])
    assert file.images() == {}
    assert file.publish({"web": "a"})
    assert file.images() == {"web": "a"}


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("postgres:17", "docker.io"),
        ("library/postgres", "docker.io"),
        ("index.docker.io/x/y", "docker.io"),
        ("registry.example.com/shop/web:1", "registry.example.com"),
        ("localhost/web", "localhost"),
        ("10.0.0.1:5000/web@sha256:0", "10.0.0.1:5000"),
    ],
)
def test_registry_of_an_image(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry


def test_logins() -> None:
    entry = {"server": "https://registry.example.com/v2/", "username": "me", "password": "hunter2-secret"}
    logins = logins_from([entry, {**entry, "server": "https://index.docker.io/v1/"}])
    assert [login.server for login in logins] == ["registry.example.com", "docker.io"]
    assert "hunter2" not in repr(logins)
    assert login_for(logins, "registry.example.com/a") == logins[0]
    assert login_for(logins, "other.example.com/a") is None
    with pytest.raises(OpsError, match=r"registry\.example\.com is named twice"):
        logins_from([entry, entry])


def gone(directory: Path) -> World:
    world = World({**files(), "services": {**files()["services"], "old": {"image": "db:1"}}}, images())
    rollout(world, directory).run()
    world.files = files()
    return world


def names(world: World) -> set[str]:
    return {container.service for container in world.containers("p")}


def test_orphans_are_named_or_removed(tmp_path: Path) -> None:
    world = gone(tmp_path)
    result = rollout(world, tmp_path).run()
    assert result["orphans"] == ["p-old-1"]
    assert re.search(r"p-old-1: .* remove_orphans: true", world.told[0])
    assert "old" in names(world)
    assert rollout(world, tmp_path, remove_orphans=True).preview()["changed"] is True
    assert "old" in names(world)
    assert rollout(world, tmp_path, remove_orphans=True).run()["changed"] is True
    assert names(world) == {"web", "db", "migrate"}
    assert rollout(world, tmp_path, remove_orphans=True).run()["changed"] is False


def test_services_of_other_profiles_are_no_orphans(tmp_path: Path) -> None:
    world = gone(tmp_path)
    world.disabled = {"old"}
    assert rollout(world, tmp_path, remove_orphans=True).run()["orphans"] == []
    assert world.told == []


def test_orphans_stay_when_the_deployment_fails_and_a_kill_leaves_none(tmp_path: Path) -> None:
    world = gone(tmp_path)
    world.files = files("bad")
    world.files["services"]["migrate"]["image"] = "web:v1"
    world.sick = {"sha256:bad"}
    with pytest.raises(OpsError):
        rollout(world, tmp_path, remove_orphans=True).run()
    assert "old" in names(world)
    world.files = files()
    world.die_at = world.operations + 2
    with pytest.raises(KilledError):
        rollout(world, tmp_path, remove_orphans=True).run()
    world.die_at = None
    rollout(world, tmp_path, remove_orphans=True).run()
    assert "old" not in names(world)
