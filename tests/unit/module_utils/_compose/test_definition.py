# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions get what hardens them, and the user's own words win."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.definition import (
    declare_secrets,
    harden,
    literal_variables,
)

DEFAULTS = {"read_only": True, "cap_drop": ["ALL"], "restart": "unless-stopped", "pids_limit": 256}


def service(definition: dict[str, Any], name: str = "app") -> Any:
    return harden({"services": {name: definition}}, DEFAULTS)["services"][name]  # type: ignore[index]


def test_a_service_gets_what_it_does_not_say() -> None:
    assert service({"image": "x"}) == {"image": "x", **DEFAULTS}


def test_what_a_service_says_wins_even_when_it_is_false_or_empty() -> None:
    own = {"image": "x", "read_only": False, "cap_drop": [], "restart": "no", "pids_limit": 9}
    assert service(own) == own


@pytest.mark.parametrize(
    ("limits", "merged"),
    [({"pids": 50}, {"pids": 50}), ({"memory": "1G"}, {"memory": "1G", "pids": 256})],
)
def test_beside_limits_under_deploy_the_processes_are_limited_there(limits: Any, merged: Any) -> None:
    made = service({"image": "x", "deploy": {"replicas": 2, "resources": {"limits": limits}}})
    assert made["deploy"] == {"replicas": 2, "resources": {"limits": merged}}
    assert "pids_limit" not in made


def test_a_service_that_others_wait_for_to_end_is_not_restarted() -> None:
    waits = {"depends_on": {"migrate": {"condition": "service_completed_successfully"}}}
    services: Any = harden({"services": {"migrate": {}, "app": waits}}, DEFAULTS)["services"]
    assert services["migrate"]["restart"] == "no"
    assert services["app"]["restart"] == "unless-stopped"


def test_the_rest_of_a_definition_is_left_alone() -> None:
    given = {"services": {}, "networks": {"a": None}, "volumes": {"v": {}}}
    assert harden(given, DEFAULTS) == given
    assert "app" not in given["services"]  # type: ignore[operator]


def test_secret_files_are_declared_unless_they_are() -> None:
    given = {"services": {}, "secrets": {"own": {"file": "/elsewhere"}}}
    assert declare_secrets(given, ["own", "more"])["secrets"] == {
        "own": {"file": "/elsewhere"},
        "more": {"file": "./secrets/more"},
    }
    assert declare_secrets({"services": {}}, []) == {"services": {}}


def test_literal_variables_are_found_in_both_forms_and_interpolated_ones_are_not() -> None:
    services = {
        "a": {"environment": {"A": "1", "B": "${B}", "C": None, "D": "p$$s"}},
        "b": {"environment": ["E=2", "F", "G=$G"]},
        "c": {},
    }
    found = [(variable.name, variable.value, variable.origin) for variable in literal_variables({"services": services})]
    assert found == [
        ("A", "1", "services.a.environment"),
        ("D", "p$$s", "services.a.environment"),
        ("E", "2", "services.b.environment"),
    ]
