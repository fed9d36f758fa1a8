# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles from a dump of globals: statements that create those that are missing and touch none that exists. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_ROLE = r'(?:"(?:[^"]|"")+"|[^\s";]+)'
_CREATE = re.compile(rf"^CREATE ROLE ({_ROLE})$")
_ALTER = re.compile(rf"^(?:ALTER|COMMENT ON) ROLE ({_ROLE})\s")
_GRANT = re.compile(rf"^GRANT ({_ROLE}) TO ({_ROLE})(.*?)(?: GRANTED BY ({_ROLE}))?$", re.DOTALL)
_PARAMETER = re.compile(rf"^GRANT .* ON PARAMETER .* TO ({_ROLE})(?: WITH GRANT OPTION)?$", re.DOTALL)
_TABLESPACE = re.compile(rf"^CREATE TABLESPACE ({_ROLE})\s")
_PASSWORD = re.compile(r"\sPASSWORD '((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Globals:
    """``statements`` make ``new`` roles; ``secrets`` are the passwords in them. ``tablespaces`` are only named."""

    new: tuple[str, ...]
    statements: tuple[str, ...] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    tablespaces: tuple[str, ...]


def missing_roles(sql: str, existing: Collection[str]) -> Globals:
    """What ``sql`` (of pg_dumpall --globals-only) says about roles that are not among ``existing``."""
    statements = list(split_statements(sql))
    known = [_name(found[1]) for text in statements if (found := _CREATE.match(text))]
    new = [role for role in known if role not in existing]
    chosen = [text for statement in statements if (text := _about(statement, set(new), {*existing, *new}))]
    secrets = [found[1].replace("''", "'") for text in chosen if (found := _PASSWORD.search(text))]
    spaces = [_name(found[1]) for text in statements if (found := _TABLESPACE.match(text))]
    return Globals(tuple(new), tuple(chosen), tuple(secrets), tuple(spaces))


def _about(text: str, new: set[str], known: set[str]) -> str | None:
    """The statement as it is to be run; None when it is about none of the new roles."""
    if found := _CREATE.match(text) or _ALTER.match(text) or _PARAMETER.match(text):
        return text if _name(found[1]) in new else None
    if found := _GRANT.match(text):
        group, member = _name(found[1]), _name(found[2])
        # A membership between two roles that exist is theirs to have or not.
        if not {group, member} & new or not {group, member} <= known | _predefined(group):
            return None
        if found[4] and _name(found[4]) not in known:
            return f"GRANT {found[1]} TO {found[2]}{found[3]}"
        return text
    return None


def _predefined(role: str) -> set[str]:
    return {role} if role.startswith("pg_") else set()


def _name(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def split_statements(sql: str) -> Iterator[str]:
    """Statements without their semicolons; comments and psql's own commands between them are dropped."""
    start = position = 0
    while position < len(sql):
        character = sql[position]
        if not sql[start:position].strip():
            start = position
            if sql.startswith("--", position) or character == "\\":
                end = sql.find("\n", position)
                start = position = len(sql) if end < 0 else end + 1
                continue
        if character in "'\"":
            escapes = character == "'" and sql[position - 1 : position] in ("E", "e")
            position = _end_of_quoted(sql, position, character, escapes)
            continue
        if character == ";":
            yield sql[start:position].strip()
            start = position + 1
        position += 1


def _end_of_quoted(sql: str, position: int, quote: str, escapes: bool) -> int:
    position += 1
    while position < len(sql):
        if escapes and sql[position] == "\\":
            position += 1
        elif sql[position] == quote:
            # A doubled quote ends one text and begins another, which comes to the same.
            return position + 1
        position += 1
    return position
