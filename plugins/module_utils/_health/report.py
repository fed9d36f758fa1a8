# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the waiter hands back, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """Where a check stands. ``PENDING`` at the end: the wait was decided by others before this one was."""

    PENDING = "pending"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    """``attempts`` attempts in a row that said the same, the first of them ``at`` seconds after the start."""

    at: float
    healthy: bool
    words: str
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One check at the end.

    ``seconds`` is when it was found healthy, None when it was not. ``error`` is the last failure in words, empty when
    no attempt failed. ``timeline`` is bounded; ``skipped`` events between its halves were left out.
    """

    name: str
    kind: str
    target: str
    state: State
    attempts: int
    seconds: float | None
    error: str
    timeline: tuple[Event, ...]
    skipped: int

    def facts(self) -> dict[str, object]:
        """JSON-serialisable form, as modules return it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "target": self.target,
            "state": self.state.value,
            "attempts": self.attempts,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "error": self.error,
            "timeline": [
                {"seconds": round(e.at, 3), "healthy": e.healthy, "message": e.words, "attempts": e.attempts}
                for e in self.timeline
            ],
            "timeline_skipped": self.skipped,
        }

    def __str__(self) -> str:
        about = self.name if self.target in self.name else f"{self.name} ({self.kind} {self.target})"
        reason = self.error or "not decided yet"
        tries = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{about}: {reason} [{tries}]"


@dataclass(frozen=True, slots=True)
class WaitReport:
    """How a wait ended: ``ok`` when at least ``needed`` checks were found healthy."""

    ok: bool
    needed: int
    seconds: float
    checks: tuple[CheckReport, ...]

    @property
    def healthy(self) -> tuple[CheckReport, ...]:
        return tuple(c for c in self.checks if c.state is State.HEALTHY)

    @property
    def failing(self) -> tuple[CheckReport, ...]:
        """The checks that were not found healthy; those that will never be come first."""
        order = {State.FAILED: 0, State.UNHEALTHY: 1, State.PENDING: 2}
        return tuple(sorted((c for c in self.checks if c.state in order), key=lambda c: order[c.state]))

    @property
    def message(self) -> str:
        """One line on success; on failure one more line per check that was not healthy, with its last reason."""
        total = len(self.checks)
        wanted = "" if self.needed == total else f" ({self.needed} needed)"
        text = f"{len(self.healthy)} of {total} checks healthy{wanted} after {self.seconds:.1f} s"
        if self.ok:
            return text
        return "\n".join([f"{text}; not healthy:", *(f"- {check}" for check in self.failing)])

    def facts(self) -> dict[str, object]:
        """JSON-serialisable form, as modules return it."""
        return {"seconds": round(self.seconds, 3), "checks": [check.facts() for check in self.checks]}


def verdict(states: Sequence[State], needed: int) -> bool | None:
    """True when enough checks are healthy, False when too few can still become so, None while neither is known."""
    healthy = sum(state is State.HEALTHY for state in states)
    if healthy >= needed:
        return True
    return False if healthy + sum(state is State.PENDING for state in states) < needed else None
