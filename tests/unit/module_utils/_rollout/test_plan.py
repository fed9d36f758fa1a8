# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions for one service."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import ServiceSetting
from ansible_collections.keelson.ops.plugins.module_utils._rollout.plan import (
    Observed,
    ServicePlan,
    check_scale,
    decide,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.project import Content, PortRange, Service
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Container

WEB = Service("web", "web:1", replicas=2, config_hash="new", content=Content("digest", 50.0))


def container(number: int, **facts: object) -> Container:
    base = Container(
        f"c{number}", f"web-{number}", "web", number, "new", "sha256:1", "running", health="healthy", created=100.0
    )
    return replace(base, **facts)


def plan(
    service: Service, *containers: Container, setting: ServiceSetting | None = None, **facts: object
) -> ServicePlan:
    seen = Observed(containers, "sha256:1", {}, now=1000.0, stable_for=3.0)
    return decide(service, setting or ServiceSetting(), replace(seen, **facts))


def test_nothing_runs() -> None:
    decided = plan(WEB)
    assert (decided.action, decided.start, decided.reasons) == ("create", 2, ("it does not run yet",))


def test_all_as_wanted() -> None:
    assert not plan(WEB, container(1), container(2)).changes


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"config_hash": "old"}, "definition or environment"),
        ({"image_id": "sha256:0"}, "is now 1, was 0"),
        ({"created": 10.0}, "secrets, configs"),
    ],
)
def test_what_differs_is_replaced(facts: dict[str, object], reason: str) -> None:
    decided = plan(WEB, container(1, **facts), container(2, **facts))
    assert decided.action == "roll"
    assert [c.id for c in decided.stop] == ["c1", "c2"]
    assert reason in decided.reasons[0]


def test_a_recorded_digest_counts_more_than_the_time_of_the_file() -> None:
    digests = {"c1": "digest", "c2": "other"}
    decided = plan(WEB, container(1, created=1.0), container(2), digests=digests)
    assert [c.id for c in decided.keep] == ["c1"]
    assert [c.id for c in decided.stop] == ["c2"]


def test_half_done_rollout_goes_on_where_it_was() -> None:
    old = [container(n, config_hash="old") for n in (1, 2)]
    decided = plan(WEB, *old, container(3))
    assert (decided.start, [c.id for c in decided.keep]) == (1, ["c3"])


def test_dead_containers_go_before_anything_starts() -> None:
    decided = plan(WEB, container(1), container(2, status="exited", health=None, exit_code=1))
    assert [c.id for c in decided.discard] == ["c2"]
    assert (decided.action, decided.start) == ("scale", 1)


def test_more_than_wanted() -> None:
    decided = plan(WEB, container(1), container(2), container(3))
    assert (decided.action, decided.start, [c.id for c in decided.stop]) == ("scale", 0, ["c3"])


def test_full_port_range_is_refused_with_the_fix() -> None:
    service = replace(WEB, ports=(PortRange("8001-8002:8000", 2),))
    old = [container(n, config_hash="old") for n in (1, 2)]
    with pytest.raises(OpsError, match=r"Publish a range of at least 3 ports \(better 4\)"):
        plan(service, *old)


def test_failed_new_containers_make_room_for_the_next_try() -> None:
    service = replace(WEB, ports=(PortRange("8001-8004:8000", 4),))
    old = [container(n, config_hash="old") for n in (1, 2)]
    sick = [container(n, health="unhealthy") for n in (3, 4)]
    decided = plan(service, *old, *sick)
    assert [c.id for c in decided.discard] == ["c3", "c4"]
    assert [c.id for c in decided.stop] == ["c1", "c2"]


def test_parallelism_and_room_limit_what_starts_together() -> None:
    old = [container(n, config_hash="old") for n in (1, 2)]
    assert plan(WEB, *old).at_a_time == 2
    assert plan(WEB, *old, setting=ServiceSetting(parallelism=1)).at_a_time == 1
    assert plan(replace(WEB, ports=(PortRange("8001-8003:8000", 3),)), *old).at_a_time == 1


def test_recreate_when_it_cannot_run_twice() -> None:
    service = replace(WEB, replicas=1, container_name="only")
    decided = plan(service, container(1, config_hash="old"))
    assert (decided.action, decided.strategy.reason) == ("recreate", "it has container_name only")


def test_what_runs_once_runs_again_only_when_it_differs_or_failed() -> None:
    service = replace(WEB, once=True)
    done = container(1, status="exited", health=None)
    assert plan(service, done).action == "none"
    assert plan(service, replace(done, exit_code=1)).action == "run"
    assert plan(service, replace(done, config_hash="old")).action == "run"
    assert plan(service).reasons == ("it has not run yet",)


def test_image_that_would_be_pulled_counts_as_a_change() -> None:
    assert "not on this host yet" in plan(WEB, container(1), container(2), image_id=None).reasons[0]


def test_a_service_that_completes_is_not_a_crashed_one() -> None:
    service = replace(WEB, replicas=1)
    assert not plan(service, container(1, status="exited", health=None, exit_code=0, restart_policy="no")).changes


def test_replicas_must_fit_into_the_ports() -> None:
    with pytest.raises(OpsError, match="2 replicas do not fit"):
        check_scale(replace(WEB, ports=(PortRange("8001:8000", 1),)))
