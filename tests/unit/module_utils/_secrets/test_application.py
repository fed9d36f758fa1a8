# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation deploys with the defaults of the module that it stands in for."""

from __future__ import annotations

from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import options_from
from ansible_collections.keelson.ops.plugins.module_utils._secrets.application import ROLLOUT, ROLLOUT_DEFAULTS
from ansible_collections.keelson.ops.plugins.modules.compose_rollout import argument_spec

OF_CHECK_MODE = {"planned_files"}


def test_the_defaults_are_those_of_compose_rollout() -> None:
    theirs = {name: option.get("default") for name, option in argument_spec().items() if name not in OF_CHECK_MODE}
    assert theirs == ROLLOUT_DEFAULTS
    assert set(ROLLOUT) <= set(theirs)


def test_a_project_alone_is_enough() -> None:
    assert options_from({**ROLLOUT_DEFAULTS, "project": "shop"}).project == "shop"
