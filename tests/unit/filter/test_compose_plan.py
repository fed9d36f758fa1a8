# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter hands over plain YAML and Ansible's own error."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.filter.compose_plan import compose_plan


class Text(str):
    """A text as Ansible hands it over: no plain str, so YAML's dumper does not know it."""

    __slots__ = ()


def plan(**values: Any) -> dict[str, Any]:
    definition = {"services": {"web": {"image": Text("web:1"), "environment": {"A": Text("${A}")}}}}
    return compose_plan([{"name": Text("shop"), "definition": definition, **values}], service_defaults={"init": True})


def test_the_compose_file_is_plain_yaml_with_the_defaults_in_it() -> None:
    compose = plan()["files"][-3]
    assert compose["dest"] == "/opt/shop/compose.yaml"
    assert yaml.safe_load(compose["content"]) == {
        "services": {"web": {"init": True, "image": "web:1", "environment": {"A": "${A}"}}}
    }
    assert "!!python" not in compose["content"]


def test_rollouts_carry_no_secret() -> None:
    assert "hidden-content" not in str(plan(secret_files={"x": "hidden-content"})["rollouts"])


def test_errors_are_those_of_a_filter() -> None:
    with pytest.raises(AnsibleFilterError, match=r"KEY \(.env\) still holds a placeholder"):
        plan(env_files={".env": {"KEY": "change-me"}})


def test_what_an_earlier_run_wrote_and_nobody_names_is_removed_without_showing_it() -> None:
    recorded = '{"shop": [{"directory": "/opt/shop", "files": ["compose.yaml", "secrets/old"]}]}'
    found = compose_plan([{"name": "shop", "definition": {"services": {"web": {"image": "web:1"}}}}], recorded=recorded)
    gone, record = found["leftovers"]
    assert gone == {"dest": "/opt/shop/secrets/old", "state": "absent", "secret": True}
    assert "old" not in str(record["content"])
    assert "secrets/old" in str(found["files"][-1]["content"]), "still recorded while the deployment is under way"
    assert plan()["leftovers"] == []
