# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assertions on a JSON document: ``services.database == healthy``, ``services.* == healthy``, ``status in ok,up``."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .._core.errors import OpsError
from .._core.masking import mask

_SEGMENT = r'(?:"[^"]*"|[^\s."=<>!~]+)'
_FORM = re.compile(
    rf"^\s*(?P<path>{_SEGMENT}(?:\.{_SEGMENT})*)"
    r"\s*(?:(?P<op>==|!=|<=|>=|<|>|=~|\bnot\s+in\b|\bin\b|\bexists\b)\s*(?P<value>.*?))?\s*$",
    re.DOTALL,
)
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Assertion:
    """``path`` by segments (``*`` is every member), an operator, and the value as it was written."""

    text: str
    path: tuple[str, ...]
    op: str
    value: str

    def failure(self, document: object, secrets: Iterable[str] = ()) -> str | None:
        """Why ``document`` does not fulfil this, in words without ``secrets``; None when every member named does."""
        members = list(_members(document, self.path, ()))
        if not members:
            return f"{'.'.join(self.path)} is missing in the JSON answer"
        for path, actual in members:
            if self.op != "exists" and not _holds(self.op, actual, self.value):
                return f"{path} is {_shown(actual, secrets)}, expected {self.op} {self.value}"
        return None


def parse_assertion(text: str, where: str) -> Assertion:
    """The assertion that ``text`` states. Raises OpsError naming the option."""
    form = _FORM.match(text)
    if not form or not form["op"] or bool(form["value"]) == (form["op"] == "exists"):
        raise OpsError(
            f"{where}: not an assertion: {text!r}; write PATH OPERATOR VALUE such as 'services.* == healthy' "
            "with ==, !=, <, <=, >, >=, =~ (regular expression), in or not in (comma list), or 'PATH exists'"
        )
    op = " ".join(form["op"].split())
    value = form["value"] or ""
    if op in _NUMERIC and _number(value) is None:
        raise OpsError(f"{where}: {op} compares numbers, and {value!r} is none")
    if op == "=~":
        try:
            re.compile(_bare(value))
        except re.error as error:
            raise OpsError(f"{where}: not a regular expression ({error}): {value}") from None
    path = tuple(segment.strip('"') for segment in re.findall(_SEGMENT, form["path"]))
    return Assertion(text, path, op, value)


def _members(document: object, path: tuple[str, ...], seen: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    if not path:
        yield ".".join(seen), document
        return
    if isinstance(document, dict):
        items = {str(key): value for key, value in document.items()}
    elif isinstance(document, list):
        items = {str(index): value for index, value in enumerate(document)}
    else:
        return
    names = list(items) if path[0] == "*" else [path[0]] if path[0] in items else []
    for name in names:
        yield from _members(items[name], path[1:], (*seen, name))


def _holds(op: str, actual: object, value: str) -> bool:
    text = _text(actual)
    if op in _NUMERIC:
        number = None if isinstance(actual, bool) else _number(text)
        expected = _number(value)
        return number is not None and expected is not None and _NUMERIC[op](number, expected)
    if op == "=~":
        return re.search(_bare(value), text) is not None
    if op in ("in", "not in"):
        return (text in [_bare(item.strip()) for item in value.split(",")]) == (op == "in")
    return (text == _bare(value)) == (op == "==")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: object, secrets: Iterable[str]) -> str:
    text = mask(json.dumps(value, ensure_ascii=False), secrets)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _bare(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
