# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application's variables must look like before a host is touched. Pure; a problem never shows a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from .._core.errors import OpsError

WILDCARDS = re.compile(r"[*?\[]")
PLACEHOLDERS = (
    r"change[-_ ]?me",
    r"change[-_ ]?it",
    r"replace[-_ ]?me",
    r"(?<![a-z0-9])your[-_]",
    r"senha[-_](forte|super|segura|aqui)",
    r"string[-_]muito[-_]long",
    r"sua-organizacao",
    r"seu-?dominio",
    r"^<.*>$",
    r"^x{3,}$",
    r"//xxx@",
    r"//[^/@\s]*:(password|senha|secret|pass)@",
    r"^(todo|tbd|fixme|placeholder|email-password)$",
)
"""Texts that templates and guides hold where a real value belongs."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable or secret; ``origin`` says where a person finds it."""

    name: str
    value: str = field(repr=False)
    origin: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What variables named ``name`` (also a pattern such as ``*_URL``) must look like."""

    name: str
    required: bool = False
    min_length: int = 0
    url: bool = False
    schemes: tuple[str, ...] = ()
    allow_placeholder: bool = False

    @property
    def is_pattern(self) -> bool:
        return WILDCARDS.search(self.name) is not None

    def matches(self, name: str) -> bool:
        """Names match whole and without regard to case; a pattern leaves ``*_FILE`` alone, which holds a path."""
        if not self.is_pattern:
            return name.upper() == self.name.upper()
        return fnmatchcase(name.upper(), self.name.upper()) and not name.upper().endswith("_FILE")


def parse_rules(raw: Iterable[Mapping[str, object]], option: str) -> tuple[Rule, ...]:
    """Rules from option ``option``. Raises OpsError."""
    rules = []
    for entry in raw:
        rule = Rule(
            name=str(entry["name"]),
            required=bool(entry.get("required", False)),
            min_length=int(str(entry.get("min_length") or 0)),
            url=bool(entry.get("url") or entry.get("schemes")),
            schemes=tuple(str(scheme) for scheme in _list(entry.get("schemes"))),
            allow_placeholder=bool(entry.get("allow_placeholder", False)),
        )
        if rule.required and rule.is_pattern:
            raise OpsError(f"{option}: {rule.name} is a pattern; required needs the exact name of a variable")
        rules.append(rule)
    return tuple(rules)


def problems(variables: Sequence[Variable], rules: Sequence[Rule]) -> list[str]:
    """What is wrong, one line each; for every variable the first rule that matches counts."""
    found = [
        f"{rule.name} is required and not set in env_files or secret_files"
        for rule in rules
        if rule.required and not any(rule.matches(variable.name) and variable.value for variable in variables)
    ]
    for variable in variables:
        rule = next((rule for rule in rules if rule.matches(variable.name)), Rule(variable.name))
        found += [f"{variable.name} ({variable.origin}) {problem}" for problem in _problems(variable.value, rule)]
    return found


def is_secret(name: str, rules: Sequence[Rule]) -> bool:
    """Whether a variable must not be written where everybody reads it: its rule asks for a length."""
    rule = next((rule for rule in rules if rule.matches(name)), None)
    return rule is not None and rule.min_length > 0


def _problems(value: str, rule: Rule) -> list[str]:
    if not value:
        return []
    if not rule.allow_placeholder and any(re.search(text, value.strip(), re.IGNORECASE) for text in PLACEHOLDERS):
        return ["still holds a placeholder; set a real value"]
    found = []
    if len(value) < rule.min_length:
        found.append(f"is shorter than {rule.min_length} characters")
    if rule.url and (problem := _url_problem(value, rule.schemes)):
        found.append(problem)
    return found


def _url_problem(value: str, schemes: Sequence[str]) -> str | None:
    try:
        parts = urlsplit(value)
        complete = bool(parts.scheme and parts.hostname) and not re.search(r"\s", value)
        _valid_port = parts.port
        without_password = parts.password == ""
    except ValueError:
        complete = without_password = False
    if not complete:
        return "is not a URL (scheme://host...)"
    if schemes and parts.scheme not in schemes:
        return f"is not a URL of scheme {' or '.join(schemes)}"
    if without_password:
        return "is a URL with an empty password"
    return None


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []
