# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with one secret, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from .credential import Holdings

PRESENT = "present"
ROTATED = "rotated"
ROLLED_BACK = "rolled_back"


class Action(Enum):
    """The values are what results and people call them."""

    NONE = "none"
    WAIT = "wait"
    """The old secret works on until its overlap is over."""
    CREATE = "create"
    ADOPT = "adopt"
    ROTATE = "rotate"
    RESUME = "resume"
    APPLY = "apply"
    """It is current, but the application is not known to use it."""
    REVOKE = "revoke"
    ABANDON = "abandon"
    """Give up a pending secret."""
    BACK = "roll back"
    FINISH_BACK = "finish roll back"
    REFUSE = "refuse"


CHANGING = frozenset(Action) - {Action.NONE, Action.WAIT, Action.REFUSE}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants of one secret."""

    state: str = ROTATED
    max_age: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(hours=1)
    force: bool = False
    has_initial: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What this host's journal says: when the current version was applied, and to which version it went back.

    Only times and order hang on it. Without it a step is made again, none is left out.
    """

    applied: datetime | None = None
    restored: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The next thing to do. ``settle`` first: the rotation before has not ended and a new one is due."""

    action: Action
    reason: str
    settle: bool = False

    @property
    def changes(self) -> bool:
        return self.action in CHANGING


def decide(holdings: Holdings, wish: Wish, memory: Memory, now: datetime) -> Decision:
    """Decide from the labels, the age and the user's wish."""
    current, pending = holdings.current, holdings.pending
    if wish.state == ROLLED_BACK:
        return _back(holdings, memory)
    if pending:
        return Decision(Action.RESUME, f"version {pending.id} is pending since {_text(pending.created)}")
    if current is None:
        how = Action.ADOPT if wish.has_initial else Action.CREATE
        return Decision(how, "the store has no such secret")
    due = _due(now - current.created, wish)
    if holdings.previous:
        return _overlapping(holdings, wish, memory, now, due)
    return Decision(Action.ROTATE, due) if due else Decision(Action.NONE, _fresh(current.created, wish))


def _back(holdings: Holdings, memory: Memory) -> Decision:
    current, pending, previous = holdings.current, holdings.pending, holdings.previous
    if pending and (current is None or pending.id != current.id):
        return Decision(Action.ABANDON, f"version {pending.id} was on its way and is given up")
    went_back = current is not None and memory.restored == current.id
    if previous and went_back:
        return Decision(Action.FINISH_BACK, f"the way back to version {memory.restored} had not ended")
    if previous:
        return Decision(Action.BACK, f"version {previous.id} still works")
    if went_back:
        return Decision(Action.NONE, f"went back to version {memory.restored} before")
    return Decision(
        Action.REFUSE, "there is no earlier version that still works; rotate instead (state: rotated, force)"
    )


def _overlapping(holdings: Holdings, wish: Wish, memory: Memory, now: datetime, due: str) -> Decision:
    if due:
        return Decision(Action.ROTATE, due, settle=True)
    if memory.applied is None:
        return Decision(Action.APPLY, "it is current, but not known to be in use")
    over = memory.applied + wish.overlap
    if now >= over:
        return Decision(Action.REVOKE, f"the overlap is over since {_text(over)}")
    return Decision(Action.WAIT, f"the old one works until {_text(over)}")


def _due(age: timedelta, wish: Wish) -> str:
    if wish.state != ROTATED:
        return ""
    if wish.force:
        return "forced"
    return f"{_days(age)} old, {_days(wish.max_age)} allowed" if age >= wish.max_age else ""


def _fresh(created: datetime, wish: Wish) -> str:
    return f"due on {_text(created + wish.max_age)}" if wish.state == ROTATED else "it is there"


def _days(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24} d" if hours >= 48 else f"{hours} h"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
