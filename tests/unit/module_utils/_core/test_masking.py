# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No part of a secret survives masking."""

from __future__ import annotations

from ansible_collections.keelson.ops.plugins.module_utils._core.masking import MASK, mask


def test_every_occurrence_goes() -> None:
    assert mask("a=hunter2 b=hunter2", ["hunter2"]) == f"a={MASK} b={MASK}"


def test_a_secret_that_begins_with_another_leaves_no_tail() -> None:
    assert mask("key=abcdef", ["abc", "abcdef"]) == f"key={MASK}"


def test_empty_secrets_change_nothing() -> None:
    assert mask("plain", ["", ""]) == "plain"
