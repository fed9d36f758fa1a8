# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options, as people write them, to checks and a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OpsError
from .kinds.registry import KINDS
from .options import Declarations, at_least, read_options
from .spec import Check, Policy

_TIMING: Declarations = {
    "timeout": {"type": "float"},
    "interval": {"type": "float"},
    "probe_timeout": {"type": "float"},
    "successes": {"type": "int"},
    "stable_for": {"type": "float"},
}
CHECK_OPTIONS: Declarations = {
    "name": {"type": "str"},
    **_TIMING,
    **{name: {"type": "dict", "options": kind.options} for name, kind in KINDS.items()},
}
"""One entry of ``checks``, as an Ansible argument spec; exactly one of the keys in ``KINDS`` belongs in it."""

POLICY_OPTIONS: Declarations = {
    "timeout": {"type": "float", "default": 120},
    "interval": {"type": "float", "default": 0.5},
    "probe_timeout": {"type": "float", "default": 5},
    "successes": {"type": "int", "default": 1},
    "stable_for": {"type": "float", "default": 0},
    "require": {"type": "str", "default": "all"},
}


def checks_argument() -> dict[str, Any]:
    """The argument spec of an option that takes a list of checks."""
    kinds = list(KINDS)
    return {
        "type": "list",
        "elements": "dict",
        "options": CHECK_OPTIONS,
        "mutually_exclusive": [kinds],
        "required_one_of": [kinds],
    }


def parse_policy(given: Mapping[str, Any], count: int, where: str = "") -> Policy:
    """The policy for ``count`` checks. Raises OpsError naming the option."""
    options = read_options(POLICY_OPTIONS, given, where)
    prefix = f"{where}." if where else ""
    _check_times(options, prefix)
    return Policy(**{**options, "require": _require(options["require"], count, f"{prefix}require")})


def parse_checks(given: Sequence[Mapping[str, Any]], policy: Policy, where: str = "checks") -> tuple[Check, ...]:
    """The checks, each under a name of its own. Raises OpsError naming the option."""
    checks = tuple(_parse_check(entry, policy, f"{where}[{index}]") for index, entry in enumerate(given))
    if not checks:
        raise OpsError(f"{where}: holds no check")
    names = [check.name for check in checks]
    for index, name in enumerate(names):
        if name in names[:index]:
            first = names.index(name)
            raise OpsError(f"{where}[{index}].name: {name!r} is also the name of {where}[{first}]; give one a name")
    return checks


def _parse_check(entry: object, policy: Policy, where: str) -> Check:
    shallow = {**CHECK_OPTIONS, **{name: {"type": "raw"} for name in KINDS}}
    options = read_options(shallow, entry, where)
    given = [name for name in KINDS if options[name] is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise OpsError(f"{where}: needs exactly one of {', '.join(KINDS)}; there is {found}")
    _check_times(options, f"{where}.")
    if options["timeout"] is not None and options["timeout"] > policy.timeout:
        raise OpsError(
            f"{where}.timeout: {options['timeout']:g} s is longer than the timeout of all ({policy.timeout:g} s); "
            "raise that one"
        )
    kind = given[0]
    place = f"{where}.{kind}"
    target = KINDS[kind].parse(read_options(KINDS[kind].options, options[kind], place), place)
    timing = {name: options[name] for name in _TIMING}
    check = Check(name=options["name"] or f"{kind} {target}", target=target, **timing)
    demand = policy.demand(check)
    if demand.stable_for >= demand.timeout:
        raise OpsError(
            f"{where}: stable_for ({demand.stable_for:g} s) does not fit into timeout ({demand.timeout:g} s)"
        )
    return check


def _check_times(options: Mapping[str, Any], prefix: str) -> None:
    for name, minimum in (("timeout", 0.1), ("interval", 0.05), ("probe_timeout", 0.05), ("stable_for", 0)):
        at_least(options[name], minimum, f"{prefix}{name}")
    at_least(options["successes"], 1, f"{prefix}successes")


def _require(text: str, count: int, where: str) -> Any:
    if text in ("all", "any"):
        return text
    if not text.isdecimal() or not 1 <= int(text) <= count:
        raise OpsError(f"{where}: must be all, any or a number from 1 to {count}, not {text}")
    return int(text)
