# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files in the form that Compose reads back unchanged: every value literal, nothing interpolated. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core.errors import OpsError

NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
BARE = re.compile(r"^[A-Za-z0-9_./:@%+,=-]*$")


def text_of(value: object) -> str:
    """A variable's value as text: booleans as true/false, nothing as the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def render(variables: Mapping[str, str]) -> str:
    """The file's text, in the given order. Raises OpsError for what the format cannot hold."""
    return "".join(f"{_name(name)}={_quoted(name, value)}\n" for name, value in variables.items())


def _name(name: str) -> str:
    if not NAME.match(name):
        raise OpsError(f"{name!r} is not the name of a variable (letters, digits and _)")
    return name


def _quoted(name: str, value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise OpsError(f"{name} has more than one line; put it into secret_files")
    if BARE.match(value):
        return value
    # Compose takes \' for a quote and leaves every other backslash alone, so one before a quote would be lost.
    if re.search(r"\\('|$)", value):
        raise OpsError(
            f"{name} has a backslash before a quote or at the end, which no env file can hold; use secret_files"
        )
    return "'" + value.replace("'", "\\'") + "'"
