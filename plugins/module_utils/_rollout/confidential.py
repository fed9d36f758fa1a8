# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of a project that must not be shown, as they become known, and a runner that keeps them to itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._core.command import Command, CommandResult, Runner
from . import disclosure
from .content import secret_files


class Confidential:
    """Values that are masked in whatever leaves this program."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = set(values)

    @property
    def values(self) -> tuple[str, ...]:
        """Those that are known by now."""
        return tuple(self._values)

    def learn(self, resolved: Mapping[str, Any]) -> None:
        """Add those of a resolved project and of its secret files."""
        self._values.update(disclosure.secrets_of(resolved, _texts(resolved)))

    def masked(self, value: Any) -> Any:
        """``value`` with all of them masked in every text inside it."""
        return disclosure.masked(value, self.values)


class DiscreetRunner:
    """Runner whose errors show none of them. They are masked before the output is cut: half of one is not found."""

    def __init__(self, runner: Runner, confidential: Confidential) -> None:
        self._runner = runner
        self._confidential = confidential

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        discreet = replace(command, secrets=(*command.secrets, *self._confidential.values))
        return self._runner.run(discreet, timeout=timeout, check=check)


def _texts(resolved: Mapping[str, Any]) -> Iterable[str]:
    for path in secret_files(resolved):
        try:
            yield path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
