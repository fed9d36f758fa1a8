# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading options against their declarations, which have the form of Ansible's argument specs.

The same declarations serve the modules' argument specs, so each option's type, default and choices exist once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OpsError

Declarations = Mapping[str, Mapping[str, Any]]

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def read_options(declared: Declarations, given: object, where: str) -> dict[str, Any]:
    """``given`` with types converted and defaults filled in; an option that is absent or null is None without one.

    Raises OpsError naming the option with its path, such as ``checks[0].http.url``.
    """
    prefix = f"{where}." if where else ""
    if not isinstance(given, Mapping):
        raise OpsError(f"{where}: must be a mapping of options, not {_kind_of(given)}")
    unknown = sorted(str(name) for name in given if name not in declared)
    if unknown:
        raise OpsError(f"{prefix}{unknown[0]}: no such option; there are {', '.join(sorted(declared))}")
    return {name: _read(spec, given.get(name), f"{prefix}{name}") for name, spec in declared.items()}


def compile_regex(pattern: str, where: str) -> re.Pattern[str]:
    """The compiled pattern. Raises OpsError naming the option."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise OpsError(f"{where}: not a regular expression ({error}): {pattern}") from None


def at_least(value: float | None, minimum: float, where: str) -> None:
    """Raise OpsError when a number is given and too small."""
    if value is not None and value < minimum:
        raise OpsError(f"{where}: must be at least {minimum:g}, not {value:g}")


def port(value: int, where: str) -> int:
    """A TCP port number. Raises OpsError naming the option."""
    if not 1 <= value <= 65535:
        raise OpsError(f"{where}: must be a port number from 1 to 65535, not {value}")
    return value


def _read(spec: Mapping[str, Any], value: object, where: str) -> Any:
    if value is None:
        if spec.get("required"):
            raise OpsError(f"{where}: is required")
        value = spec.get("default")
    if value is None:
        return None
    kind = spec.get("type", "str")
    if kind == "raw":
        return value
    if kind == "list":
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        item = {"type": spec.get("elements", "str"), "choices": spec.get("choices")}
        return tuple(_read(item, one, f"{where}[{index}]") for index, one in enumerate(items))
    converted = _convert(kind, value, where)
    choices = spec.get("choices")
    if choices and converted not in choices:
        raise OpsError(f"{where}: must be one of {', '.join(map(str, choices))}, not {converted}")
    return converted


def _convert(kind: str, value: object, where: str) -> Any:
    text = str(value).strip()
    if kind in ("int", "float") and not isinstance(value, bool):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:
            pass
    elif kind == "bool":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
    elif kind == "dict":
        if isinstance(value, Mapping):
            return {str(key): str(item) for key, item in value.items()}
    elif kind in ("str", "path") and not isinstance(value, (Mapping, list, tuple)):
        return str(value)
    names = {"int": "a whole number", "float": "a number", "bool": "true or false", "dict": "a mapping", "str": "text"}
    raise OpsError(f"{where}: must be {names.get(kind, kind)}, not {_kind_of(value)}")


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "empty" if value is None else "text" if isinstance(value, str) else type(value).__name__
