# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts behind a proxy, in memory: no request can fail at any moment, whatever is killed or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy import ProxySetting

from tests.unit.module_utils._rollout.world import KilledError, World, WorldProxy, files, images, rollout

PORTS = [{"published": "8001-8004", "target": 8000, "host_ip": "127.0.0.1"}]
RANGE = tuple(f"127.0.0.1:{port}" for port in range(8001, 8005))
KINDS = {  # without a reserve, with one, and by addresses that nobody else can get
    "every port": ProxySetting("caddy", "web", 8000),
    "spare ports": ProxySetting("nginx", "web", 8000),
    "containers": ProxySetting("nginx", "web", 8000, "container"),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def project(version: str = "v1") -> dict[str, Any]:
    found = files(version, ports=PORTS)
    found["services"]["migrate"]["image"] = "web:v1"
    return found


def served(directory: Path, kind: str) -> World:
    world = World(project(), images())
    world.proxies = [WorldProxy(world, KINDS[kind])]
    rollout(world, directory).run()
    world.lost.clear()
    return world


def running(world: World) -> set[str]:
    return {c.image_id for c in world.containers("p") if c.service == "web" and c.status == "running"}


@EVERY_KIND
def test_pinned_switched_settled(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    proxy = world.proxies[0]
    settled = proxy.live
    proxy.seen.clear()
    world.files = project("v2")
    result = rollout(world, tmp_path).run()
    assert world.lost == []
    if kind == "every port":
        assert proxy.seen == [RANGE[:2], RANGE[2:], RANGE]
        assert proxy.live == settled
    else:
        assert len(proxy.seen) == 1
        assert set(proxy.live).isdisjoint(settled)
    assert result["proxies"] == [
        {"type": proxy.setting.type, "service": "web", "changed": proxy.live != settled}
        | {"before": [*settled], "after": [*proxy.live]}
    ]
    seen = len(proxy.seen)
    assert rollout(world, tmp_path).run()["changed"] is False
    assert len(proxy.seen) == seen


@pytest.mark.parametrize("kind", ["spare ports", "containers"])
def test_preview_shows_upstreams_and_changes_none(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    world.proxies[0].file = None
    operations = world.operations
    preview = rollout(world, tmp_path).preview()
    assert preview["changed"] is True
    assert [(p["changed"], p["before"], p["after"]) for p in preview["proxies"]] == [
        (True, [], list(world.proxies[0].live))
    ]
    assert "nginx in front of web:" in preview["diff"]["after"]
    world.files = project("v2")
    assert rollout(world, tmp_path).preview()["proxies"][0]["after"] == ["(new container 1)", "(new container 2)"]
    assert world.operations == operations


@EVERY_KIND
@pytest.mark.parametrize("then", ["v2", "v1"])
def test_killed_at_any_operation_no_request_fails_and_the_next_run_converges(
    tmp_path: Path, then: str, kind: str
) -> None:
    survived = 0
    for fatal in range(1, 100):
        directory = tmp_path / str(fatal)
        directory.mkdir()
        world = served(directory, kind)
        world.files = project("v2")
        world.die_at = world.operations + fatal
        try:
            rollout(world, directory).run()
            survived = fatal
        except KilledError:
            pass
        world.die_at = None
        world.files = project(then)
        rollout(world, directory).run()
        assert world.lost == [], fatal
        assert running(world) == {f"sha256:web{then[1]}"}
        proxy = world.proxies[0]
        assert proxy.live == proxy.file
        assert len(proxy.live) == (4 if kind == "every port" else 2)
        assert rollout(world, directory).run()["changed"] is False
        if survived:
            break
    assert survived > 10


@EVERY_KIND
def test_an_unhealthy_release_gets_no_request(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    settled = world.proxies[0].live
    world.sick = {"sha256:web2"}
    world.files = project("v2")
    with pytest.raises(OpsError, match="what ran before was not touched"):
        rollout(world, tmp_path).run()
    assert world.lost == []
    assert world.proxies[0].live == settled


@EVERY_KIND
def test_what_fails_after_the_switch_is_switched_back(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    settled = world.proxies[0].live
    world.files = project("v2")
    world.hooks.broken = {"post_switch"}
    with pytest.raises(OpsError, match="the old ones serve again"):
        rollout(world, tmp_path).run()
    assert world.lost == []
    assert running(world) == {"sha256:web1"}
    assert world.proxies[0].live == settled


def test_a_proxy_that_refuses_the_switch_leaves_the_old_release_serving(tmp_path: Path) -> None:
    world = served(tmp_path, "spare ports")
    first = world.proxies[0]
    second = WorldProxy(world, KINDS["every port"], RANGE, RANGE)
    world.proxies.append(second)
    world.files = project("v2")
    world.hooks.broken = {"pre_switch"}
    with pytest.raises(OpsError, match="pre_switch"):
        rollout(world, tmp_path).run()
    world.hooks.broken = set()
    pins = len(second.seen)
    with pytest.MonkeyPatch.context() as patch:
        route = second.route

        def refuse(upstreams: Any, known: Any, *, eager: bool) -> None:
            if tuple(upstreams) == RANGE[2:]:
                raise OpsError("proxy: caddy refuses it")
            route(upstreams, known, eager=eager)

        patch.setattr(second, "route", refuse)
        with pytest.raises(OpsError, match=r"caddy refuses it; .* the old ones serve again"):
            rollout(world, tmp_path).run()
    assert len(second.seen) > pins
    assert running(world) == {"sha256:web1"}
    assert (first.live, second.live) == (RANGE[:2], RANGE)
    assert world.lost == []


@EVERY_KIND
def test_a_proxy_that_cannot_be_switched_back_keeps_both_releases_running(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    proxy = world.proxies[0]
    world.files = project("v2")

    class Breaking:
        def run(self, moment: str, **facts: str) -> None:
            if moment == "post_switch":
                proxy.refuses = 9
                raise OpsError("no")

    world.hooks = Breaking()  # type: ignore[assignment]
    with pytest.raises(OpsError, match="old and new containers both run, as its proxy could not be switched back"):
        rollout(world, tmp_path).run()
    assert running(world) == {"sha256:web1", "sha256:web2"}
    assert world.lost == []


def test_a_release_stays_when_only_the_last_phase_fails(tmp_path: Path) -> None:
    world = served(tmp_path, "every port")
    proxy = world.proxies[0]
    world.files = project("v2")

    class Breaking:
        def run(self, moment: str, **facts: str) -> None:
            if moment == "post_switch":
                proxy.refuses = 1

    world.hooks = Breaking()  # type: ignore[assignment]
    with pytest.raises(OpsError, match="the release runs and is served"):
        rollout(world, tmp_path).run()
    assert running(world) == {"sha256:web2"}
    assert world.lost == []
    again = rollout(world, tmp_path).run()
    assert (again["changed"], proxy.live) == (True, RANGE)
    assert again["release"] == 2


@EVERY_KIND
def test_a_rollback_is_switched_too(tmp_path: Path, kind: str) -> None:
    world = served(tmp_path, kind)
    world.files = project("v2")
    rollout(world, tmp_path).run()
    world.proxies[0].seen.clear()
    rollout(world, tmp_path, state="rolled_back").run()
    assert len(world.proxies[0].seen) == (3 if kind == "every port" else 1)
    assert world.lost == []


def test_a_service_that_is_not_there_or_publishes_nothing_is_refused(tmp_path: Path) -> None:
    world = World(project(), images())
    world.proxies = [WorldProxy(world, ProxySetting("nginx", "shop", 8000))]
    with pytest.raises(OpsError, match="proxy: service shop not in the project; it has db, migrate, web"):
        rollout(world, tmp_path).run()
    world.proxies = [WorldProxy(world, ProxySetting("nginx", "web", 80))]
    with pytest.raises(OpsError, match=r"does not publish container port 80 .* 127.0.0.1:8001-8004:80\)"):
        rollout(world, tmp_path).run()
    assert world.stored == {}


@pytest.mark.parametrize(("deaf", "busy", "whole"), [(False, False, True), (True, False, False), (True, True, True)])
def test_the_grace_of_those_who_do_not_hear_begins_with_the_switch(
    tmp_path: Path, deaf: bool, busy: bool, whole: bool
) -> None:
    world = served(tmp_path, "containers")
    world.deaf, world.busy = deaf, busy
    world.files = project("v2")
    rollout(world, tmp_path, watch=2.0, drain_timeout=1.0).run()
    assert len(world.graces) == 2
    assert all(grace == 5 if whole else 0 < grace < 4 for grace in world.graces)
