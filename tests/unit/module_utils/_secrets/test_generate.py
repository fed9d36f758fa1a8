# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and generated values."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.generate import (
    ALPHABETS,
    MINIMUMS,
    generate,
    policy_for,
)


@pytest.mark.parametrize(("kind", "length"), [("postgres", 40), ("redis", 40), ("none", 40), ("jwt", 64)])
def test_default_lengths(kind: str, length: int) -> None:
    value = generate(policy_for(kind))
    assert re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_-]{{{length - 1}}}", value)


def test_values_differ_and_use_the_whole_alphabet() -> None:
    values = {generate(policy_for("postgres")) for _ in range(200)}
    assert len(values) == 200
    assert set("".join(values)) == set(ALPHABETS["url_safe"])


def test_no_value_begins_like_an_option() -> None:
    assert all(generate(policy_for("redis", {"alphabet": "-_ab", "length": 64}))[0] in "ab" for _ in range(50))


def test_alphabet_may_be_given_as_characters_and_counts_each_once() -> None:
    policy = policy_for("none", {"alphabet": "ABCDABCD", "length": 64})
    assert policy.alphabet == "ABCD"
    assert policy.entropy == 128


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("jwt", {"length": 63}, "allowed for jwt are 64"),
        ("postgres", {"length": 12}, "allowed for postgres are 16"),
        ("postgres", {"length": 16}, "give a length of 22 or more"),
        ("none", {"alphabet": "digits", "length": 39}, None),
        ("none", {"alphabet": "digits", "length": 30}, "give a length of 39 or more"),
        ("redis", {"alphabet": "a"}, "policy.alphabet"),
        ("redis", {"alphabet": "ab c"}, "policy.alphabet"),
        ("redis", {"length": 5000}, "to 4096"),
        ("command", {"length": 8, "alphabet": "digits"}, None),
    ],
)
def test_weak_policies_are_refused(kind: str, options: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert policy_for(kind, options).entropy >= MINIMUMS[kind].entropy
        return
    with pytest.raises(OpsError, match=re.escape(words)):
        policy_for(kind, options)
