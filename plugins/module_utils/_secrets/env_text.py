# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry of an env file, read and replaced with all other lines as they are. Pure."""

from __future__ import annotations

import re

from .._compose.dotenv import render

LINE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)[ \t]*$")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def entry(text: str, name: str) -> str | None:
    """The value of the last entry ``name``, None when there is none."""
    found = [match.group(2) for line in text.splitlines() if (match := LINE.match(line)) and match.group(1) == name]
    return _plain(found[-1]) if found else None


def with_entry(text: str, name: str, value: str | None) -> str:
    """The text with one entry ``name`` of that value, or with none. Raises OpsError for what the format can't hold."""
    lines = text.splitlines()
    at = [index for index, line in enumerate(lines) if (match := LINE.match(line)) and match.group(1) == name]
    kept = [line for index, line in enumerate(lines) if index not in at[1:]]
    wanted = [] if value is None else [render({name: value}).rstrip("\n")]
    if at:
        kept[at[0] : at[0] + 1] = wanted
    else:
        kept += wanted
    return "".join(f"{line}\n" for line in kept)


def _plain(raw: str) -> str:
    if raw.startswith("'"):
        body = re.match(r"'((?:[^'\\]|\\.)*)'", raw)
        return body.group(1).replace("\\'", "'") if body else raw
    if raw.startswith('"'):
        body = re.match(r'"((?:[^"\\]|\\.)*)"', raw)
        return re.sub(r"\\(.)", lambda m: ESCAPES.get(m.group(1), m.group(1)), body.group(1)) if body else raw
    return re.split(r"[ \t]#", raw, maxsplit=1)[0].rstrip()
