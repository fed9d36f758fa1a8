# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts in memory: what they end with, and what a kill at any operation leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.compose import profiles_of

from tests.unit.module_utils._rollout.world import KilledError, World, files, images, rollout


def deployed(directory: Path, version: str = "v1") -> World:
    world = World(files(version), images())
    rollout(world, directory).run()
    return world


def running(world: World, service: str = "web") -> list[str]:
    return [c.image_id for c in world.containers("p") if c.service == service and c.status == "running"]


def test_first_deployment_then_nothing_to_do(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    assert running(world) == ["sha256:web1"] * 2
    operations = world.operations
    result = rollout(world, tmp_path).run()
    assert result["changed"] is False
    assert world.operations == operations


def test_preview_touches_nothing(tmp_path: Path) -> None:
    world = World(files(), images())
    result = rollout(world, tmp_path).preview()
    assert result["changed"] is True
    assert world.operations == 0
    assert not list((tmp_path / "releases").iterdir())
    assert [plan["action"] for plan in result["plan"]] == ["create", "run", "create"]


def test_rolling_never_serves_with_less_than_before(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.files = files("v2")
    world.least_serving = {"web": 2}
    rollout(world, tmp_path).run()
    assert running(world) == ["sha256:web2"] * 2
    assert world.least_serving == {"web": 2}


def test_one_at_a_time_when_the_ports_have_room_for_one(tmp_path: Path) -> None:
    ports = [{"published": "8001-8003", "target": 8000}]
    world = World(files("v1", ports=ports), images())
    rollout(world, tmp_path).run()
    world.files = files("v2", ports=ports)
    result = rollout(world, tmp_path).run()
    starts = [step for step in result["steps"] if step["step"] == "start" and step["service"] == "web"]
    assert [step["containers"] for step in starts] == [1, 1]
    assert running(world) == ["sha256:web2"] * 2


def test_unhealthy_release_is_removed_and_the_secret_is_masked(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    before = set(world.stored)
    world.sick = {"sha256:web2"}
    world.files = files("v2")
    world.files["services"]["migrate"]["image"] = "web:v1"
    with pytest.raises(OpsError, match="unhealthy") as failure:
        rollout(world, tmp_path).run()
    assert set(world.stored) == before
    assert failure.value.facts["diagnostics"]["log"] == ["token is ********"]
    assert failure.value.facts["rolled_back"] is False
    assert "last_status" in (tmp_path / "metrics" / "keelson_rollout_p.prom").read_text()


def test_failed_migration_stops_before_the_service(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.sick = {"sha256:web2"}
    world.files = files("v2")
    with pytest.raises(OpsError, match="service migrate: container p-migrate-1 exited with code 1"):
        rollout(world, tmp_path).run()
    assert running(world) == ["sha256:web1"] * 2


def test_recreated_service_that_fails_takes_its_release_back(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.images["db:2"] = "sha256:db2"
    world.sick = {"sha256:db2"}
    world.files["services"]["db"]["image"] = "db:2"
    with pytest.raises(OpsError, match="db went back to release 1 and is healthy") as failure:
        rollout(world, tmp_path).run()
    assert failure.value.facts["rolled_back"] is True
    assert running(world, "db") == ["sha256:db1"]
    world.files = files("v1")
    assert rollout(world, tmp_path).run()["changed"] is False


def test_later_failure_takes_earlier_services_back(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.images["db:2"] = "sha256:db2"
    world.sick = {"sha256:bad"}
    world.files = files("bad")
    world.files["services"]["db"]["image"] = "db:2"
    world.files["services"]["migrate"]["image"] = "web:v1"
    with pytest.raises(OpsError, match="db went back to release 1"):
        rollout(world, tmp_path).run()
    assert running(world, "db") == ["sha256:db1"]
    assert running(world) == ["sha256:web1"] * 2


def test_rolled_back_twice_goes_further_back_not_forth(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    for version in ("v2", "bad"):
        world.files = files(version)
        rollout(world, tmp_path, version=version).run()
    assert rollout(world, tmp_path, state="rolled_back").run()["version"] == "v2"
    assert rollout(world, tmp_path, state="rolled_back").run()["version"] is None
    assert running(world) == ["sha256:web1"] * 2
    with pytest.raises(OpsError, match="previous is not kept"):
        rollout(world, tmp_path, state="rolled_back").run()


def test_moved_tag_is_rolled_back_by_the_kept_name(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.images["web:v1"] = "sha256:web2"
    assert rollout(world, tmp_path).run()["changed"] is True
    rollout(world, tmp_path, state="rolled_back").run()
    assert running(world) == ["sha256:web1"] * 2


@pytest.mark.parametrize("then", ["v2", "v1"])
def test_killed_at_any_operation_the_next_run_converges(tmp_path: Path, then: str) -> None:
    survived = 0
    for fatal in range(1, 100):
        directory = tmp_path / str(fatal)
        directory.mkdir()
        world = deployed(directory)
        world.files = files("v2")
        world.least_serving = {"web": 2}
        world.die_at = world.operations + fatal
        try:
            rollout(world, directory).run()
            survived = fatal
        except KilledError:
            pass
        world.die_at = None
        world.files = files(then)
        rollout(world, directory).run()
        assert sorted(c.image_id for c in world.containers("p") if c.service == "web") == [f"sha256:web{then[1]}"] * 2
        assert world.least_serving["web"] == 2
        assert world.serving("web") == 2
        assert rollout(world, directory).run()["changed"] is False
        if survived:
            break
    assert survived > 8


def test_what_turns_sick_while_it_is_watched_hands_back_to_the_old(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    before = {c.id for c in world.containers("p") if c.service == "web"}
    world.files = files("v2")
    world.files["services"]["migrate"]["image"] = "web:v1"
    world.sick_at = world.seconds + 10
    with pytest.raises(OpsError, match=r"failed while it was watched.*the old ones serve again") as failure:
        rollout(world, tmp_path, watch=60.0).run()
    assert failure.value.facts["rolled_back"] is True
    assert {c.id for c in world.containers("p") if c.service == "web"} == before
    assert world.serving("web") == 2
    assert world.seconds < 30


def test_hooks_are_called_in_order_and_only_when_something_changes(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    assert world.hooks.moments == ["pre_deploy", "post_deploy"]
    world.hooks.moments.clear()
    rollout(world, tmp_path).run()
    assert world.hooks.moments == []
    world.files = files("v2")
    rollout(world, tmp_path).run()
    assert world.hooks.moments == ["pre_deploy", "pre_switch", "post_switch", "post_deploy"]


def test_failed_hook_after_the_switch_hands_back_to_the_old(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.files = files("v2")
    world.hooks.broken = {"post_switch"}
    with pytest.raises(OpsError, match=r"hooks.post_switch: false: exit code 1; .* serve again"):
        rollout(world, tmp_path).run()
    assert world.hooks.moments[-1] == "on_failure"
    assert running(world) == ["sha256:web1"] * 2
    assert world.serving("web") == 2


def test_migration_runs_before_the_service_and_its_failure_touches_nothing(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.files = files("v2")
    setting = {"name": "web", "migrate": ["alembic", "upgrade"]}
    rollout(world, tmp_path, service_settings=[setting]).run()
    assert world.runs == ["web alembic upgrade"]
    world.files = files("bad")
    with pytest.raises(OpsError, match="migrate failed, nothing of this service was touched"):
        rollout(world, tmp_path, service_settings=[{**setting, "migrate": ["fail"]}]).run()
    assert running(world) == ["sha256:web2"] * 2


def test_checks_beside_dockers_health_count(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.files = files("v2")
    setting = {"name": "web", "checks": [{"fails_for": "sha256:web2"}]}
    with pytest.raises(OpsError, match="0 of 1 checks healthy"):
        rollout(world, tmp_path, service_settings=[setting]).run()
    assert running(world) == ["sha256:web1"] * 2


def test_failed_resumption_takes_back_what_the_killed_run_had_done(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.images["db:2"] = "sha256:db2"
    world.files = files("bad")
    world.files["services"]["db"]["image"] = "db:2"
    world.files["services"]["migrate"]["image"] = "web:v1"
    world.sick = {"sha256:bad"}
    world.die_at = world.operations + 6
    with pytest.raises(KilledError):
        rollout(world, tmp_path).run()
    assert running(world, "db") == ["sha256:db2"]
    world.die_at = None
    with pytest.raises(OpsError, match="went back to release 1"):
        rollout(world, tmp_path).run()
    assert running(world, "db") == ["sha256:db1"]
    assert running(world) == ["sha256:web1"] * 2


def test_a_rollback_is_done_as_carefully_as_the_release_was(tmp_path: Path) -> None:
    world = World(files("v1"), images())
    recreate = [{"name": "web", "strategy": "recreate"}]
    rollout(world, tmp_path, drain_delay=7.0, service_settings=recreate).run()
    world.files = files("v2")
    rollout(world, tmp_path).run()
    back = rollout(world, tmp_path, state="rolled_back")
    assert [plan["strategy"] for plan in back.preview()["plan"] if plan["service"] == "web"] == ["recreate"]
    assert back._options.drain_delay == 7.0
    chosen = rollout(world, tmp_path, state="rolled_back", drain_delay=1.0)
    chosen.preview()
    assert chosen._options.drain_delay == 1.0


def test_the_way_back_does_not_depend_on_hooks_and_checks_for_the_new_release(tmp_path: Path) -> None:
    world = deployed(tmp_path)
    world.images["db:2"] = "sha256:db2"
    world.files["services"]["db"]["image"] = "db:2"
    world.hooks.broken = {"post_switch"}
    setting = {"name": "db", "checks": [{"fails_for": "sha256:db1"}]}
    with pytest.raises(OpsError, match="db went back to release 1"):
        rollout(world, tmp_path, service_settings=[setting]).run()
    assert running(world, "db") == ["sha256:db1"]


def test_services_of_profiles_stay_enabled_in_a_resolved_project() -> None:
    assert profiles_of({"services": {"a": {"profiles": ["x", "y"]}, "b": {"profiles": ["x"]}, "c": {}}}) == ("x", "y")


def test_a_version_belongs_to_what_was_deployed_with_it(tmp_path: Path) -> None:
    world = World(files("v1"), images())
    assert rollout(world, tmp_path, version="1.0").run()["version"] == "1.0"
    assert rollout(world, tmp_path).run()["version"] == "1.0"
    renamed = rollout(world, tmp_path, version="1.1").run()
    assert (renamed["changed"], renamed["version"], renamed["release"]) == (True, "1.1", 2)
    world.files["services"]["web"]["environment"] = {"PASSWORD": "rotated"}
    same = rollout(world, tmp_path).run()
    assert (same["release"], same["version"]) == (3, "1.1"), "the same images under other secrets are no other version"
    world.files = files("v2")
    assert rollout(world, tmp_path).run()["version"] is None


def test_a_version_that_was_gone_back_to_is_kept_by_new_secrets(tmp_path: Path) -> None:
    world = World(files("v1"), images())
    rollout(world, tmp_path, version="1.0").run()
    world.files = files("v2")
    rollout(world, tmp_path, version="1.1").run()
    rollout(world, tmp_path, state="rolled_back", release="1.0").run()
    world.files = files("v1")
    rollout(world, tmp_path, version="1.0").run()
    world.files["services"]["web"]["environment"] = {"PASSWORD": "rotated"}
    assert rollout(world, tmp_path).run()["version"] == "1.0"
    assert rollout(world, tmp_path, version="1.0").run()["changed"] is False
