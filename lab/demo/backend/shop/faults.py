# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches that make the application misbehave on demand; only tests turn them on (FAULTS_ENABLED=1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


class FaultError(Exception):
    """An unknown switch or a value of the wrong kind."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Each switch is also read from ``FAULT_<NAME>`` at start. The first two act at start only."""

    slow_start_seconds: float = 0.0
    unready_seconds: float = 0.0
    """Listens at once, but answers 503 to everything for so long."""
    ignore_sigterm: bool = False
    fail_health: bool = False
    error_rate: float = 0.0
    """Part of the requests that are answered with 500, spread evenly; health and metrics are spared."""
    slow_query_seconds: float = 0.0
    """Every query of a request waits so long in the database."""
    memory_megabytes: float = 0.0
    """Memory that is held on top of what is needed."""


def from_environment(environment: Mapping[str, str]) -> Faults:
    """The switches that the environment turns on. Raises FaultError."""
    given = {
        field.name: environment[f"FAULT_{field.name.upper()}"]
        for field in fields(Faults)
        if environment.get(f"FAULT_{field.name.upper()}")
    }
    return changed(Faults(), {name: value == "1" if name in _SWITCHES else value for name, value in given.items()})


def changed(faults: Faults, changes: Mapping[str, object]) -> Faults:
    """``faults`` with ``changes``, checked. Raises FaultError."""
    known = {field.name for field in fields(Faults)}
    if unknown := set(changes) - known:
        raise FaultError(f"unknown fault {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    values: dict[str, float | bool] = {}
    for name, value in changes.items():
        if name in _SWITCHES:
            values[name] = value is True
            continue
        try:
            values[name] = float(str(value))
        except ValueError:
            raise FaultError(f"{name} takes a number") from None
    return replace(faults, **values)  # type: ignore[arg-type]


_SWITCHES = {"ignore_sigterm", "fail_health"}


class ErrorBudget:
    """Spreads failures evenly: at a rate of 0.25 every fourth request fails, without chance."""

    def __init__(self) -> None:
        self._owed = 0.0

    def fails(self, rate: float) -> bool:
        """Whether this request is one of those that fail."""
        self._owed = self._owed + rate if rate > 0 else 0.0
        if self._owed < 1.0 - 1e-9:
            return False
        self._owed -= 1.0
        return True
