# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module by itself: what it says without its action plugin, and that its options are those of the action."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.options import KNOWN
from ansible_collections.keelson.ops.plugins.modules import config_files


def test_says_that_it_needs_its_action_plugin() -> None:
    module = SimpleNamespace(params={"files": [], "rendered": None}, check_mode=False)
    with pytest.raises(OpsError, match="needs its action plugin"):
        config_files._run(module)


def test_documented_options_are_those_that_the_action_knows() -> None:
    documented = yaml.safe_load(config_files.DOCUMENTATION)["options"]["files"]["suboptions"]
    assert set(documented) == KNOWN == set(config_files.FILE_SPEC)
