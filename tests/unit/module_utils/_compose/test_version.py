# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version comes next, and its tag."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.version import choose_version, full_tag
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

KNOWN = ["1.9.0", "v1.10.2", "7295898", None, "2.0.0-rc1", "latest"]


def chosen(version: str = "", bump: str = "", declared: str = "1.0.0") -> str:
    return choose_version(KNOWN, version=version, bump=bump, declared=declared, variable="shop_version")


@pytest.mark.parametrize(("bump", "expected"), [("major", "2.0.0"), ("minor", "1.11.0"), ("patch", "1.10.3")])
def test_a_bump_raises_the_highest_semantic_version_numerically(bump: str, expected: str) -> None:
    assert chosen(bump=bump) == expected


def test_the_inventory_counts_as_known_and_speaks_when_nobody_else_does() -> None:
    assert chosen(bump="patch", declared="3.0.0") == "3.0.1"
    assert chosen() == "1.0.0"


def test_the_first_release_of_all() -> None:
    assert choose_version([], version="", bump="minor", declared="", variable="v") == "0.1.0"


def test_a_commit_is_a_version_too() -> None:
    assert chosen(version="7295898d1") == "7295898d1"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"version": "2.0.0", "bump": "minor"}, "not both"),
        ({"bump": "huge"}, r"-e bump=huge: one of major, minor, patch"),
        ({"version": "2.0.0+build"}, r"-e version: '2.0.0\+build' cannot be the tag"),
        ({"declared": "a b"}, r"variable shop_version: 'a b' cannot be the tag"),
        ({"declared": ""}, r"-e version=2.0.0 or -e bump=minor, or set shop_version"),
    ],
)
def test_errors_name_what_to_change(given: dict[str, str], says: str) -> None:
    with pytest.raises(OpsError, match=says):
        chosen(**given)


def test_the_tag_that_never_moves_fits_even_a_long_version() -> None:
    assert full_tag("2.0.0", "20261122", "7295898") == "2.0.0-20261122-7295898"
    assert full_tag("2.0.0", "20261122", "") == "2.0.0-20261122"
    assert len(full_tag("v" * 128, "20261122", "7295898-dirty")) == 128
