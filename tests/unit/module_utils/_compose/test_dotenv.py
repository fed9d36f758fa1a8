# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files say exactly what was given."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.dotenv import render, text_of
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("info", "A=info\n"),
        ("", "A=\n"),
        ("postgresql://shop@db:5432/shop", "A=postgresql://shop@db:5432/shop\n"),
        ("with space", "A='with space'\n"),
        ("cost$HOME${X}", "A='cost$HOME${X}'\n"),
        ("#not a comment", "A='#not a comment'\n"),
        ('"quoted"', "A='\"quoted\"'\n"),
        ("it's", "A='it\\'s'\n"),
        ("back\\slash", "A='back\\slash'\n"),
    ],
)
def test_values_are_literal(value: str, line: str) -> None:
    assert render({"A": value}) == line


def test_the_order_is_kept() -> None:
    assert render({"B": "1", "A": "2"}) == "B=1\nA=2\n"


@pytest.mark.parametrize("value", ["two\nlines", "ends with \\", "quote after \\'"])
def test_what_the_format_cannot_hold_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(OpsError, match="secret_files") as caught:
        render({"KEY": value})
    assert "KEY" in caught.value.message
    assert value not in caught.value.message


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B"])
def test_names_are_checked(name: str) -> None:
    with pytest.raises(OpsError, match="not the name of a variable"):
        render({name: "x"})


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (None, ""), (8000, "8000")])
def test_yaml_values_become_text(value: object, text: str) -> None:
    assert text_of(value) == text
