# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented options of checks are those that are declared."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.keelson.ops.plugins.doc_fragments.health_checks import ModuleDocFragment
from ansible_collections.keelson.ops.plugins.module_utils._health.parse import CHECK_OPTIONS, POLICY_OPTIONS
from ansible_collections.keelson.ops.plugins.modules import health_wait

FACTS = ("type", "elements", "required", "default", "choices")


def facts(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            **{fact: option[fact] for fact in FACTS if fact in option},
            "options": facts(option.get("suboptions") or option.get("options") or {}),
        }
        for name, option in options.items()
    }


def test_the_checks_are_documented_as_declared() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["checks"]["suboptions"]
    assert facts(documented) == facts(dict(CHECK_OPTIONS))


def test_the_policy_is_documented_as_declared() -> None:
    documented = yaml.safe_load(health_wait.DOCUMENTATION)["options"]
    assert facts(documented) == facts(dict(POLICY_OPTIONS))
