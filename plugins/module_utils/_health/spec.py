# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is waited for and how long: the specification that the waiter is handed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

Probe = Callable[[float], Awaitable[str]]
"""One attempt that is given so many seconds: returns what it saw, in words, when the target is healthy.

Raises UnhealthyError when it is not. The waiter cancels an attempt that takes longer.
"""


class Target(Protocol):
    """What one check looks at: a frozen dataclass of ``kinds``. ``str()`` of it names it for people."""

    kind: ClassVar[str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that are masked in everything the check says."""


@dataclass(frozen=True, slots=True)
class Check:
    """One target under a name; a time of None is the policy's. Seconds throughout."""

    name: str
    target: Target
    timeout: float | None = None
    interval: float | None = None
    probe_timeout: float | None = None
    successes: int | None = None
    stable_for: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What one check must show, and by when."""

    timeout: float
    interval: float
    probe_timeout: float
    successes: int
    stable_for: float


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all checks that do not say otherwise, and how many of them must become healthy."""

    timeout: float = 120.0
    interval: float = 0.5
    probe_timeout: float = 5.0
    successes: int = 1
    stable_for: float = 0.0
    require: int | Literal["all", "any"] = "all"

    def needed(self, count: int) -> int:
        """How many of ``count`` checks must become healthy."""
        if self.require == "all":
            return count
        return 1 if self.require == "any" else self.require

    def demand(self, check: Check) -> Demand:
        """The demand on ``check``; no check outlasts the policy's timeout."""
        return Demand(
            timeout=min(_or(check.timeout, self.timeout), self.timeout),
            interval=_or(check.interval, self.interval),
            probe_timeout=_or(check.probe_timeout, self.probe_timeout),
            successes=self.successes if check.successes is None else check.successes,
            stable_for=_or(check.stable_for, self.stable_for),
        )


class Probes(Protocol):
    """Makes the probe of a check; the waiter itself does no input or output."""

    def __call__(self, check: Check) -> Probe:
        """A probe for ``check``. Raises OpsError when this host cannot run such a check at all."""


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
