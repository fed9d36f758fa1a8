# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide, then act: what a restore will do. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._core.errors import OpsError
from .points import Point

LONGEST_NAME = 63
_STAMP = "%Y%m%d_%H%M%S"
_TAIL = re.compile(r"_before_(\d{8}_\d{6})$")
_BEFORE = "_before_"


@dataclass(frozen=True, slots=True)
class Keep:
    """How many databases that restores set aside stay, and how long (seconds). Without a rule all stay."""

    count: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. ``into`` is the name that the restored database gets, that of the original when None; a
    database that has this name is replaced when ``confirm`` repeats the name. With ``tables`` (``schema.table``) only
    these are restored, into a schema of their own in the live database.
    """

    database: str
    point: str = "latest"
    into: str | None = None
    tables: tuple[str, ...] = ()
    confirm: str | None = None
    create_roles: bool = True
    keep: Keep = Keep()
    force: bool = False

    @property
    def target(self) -> str:
        return self.into or self.database


@dataclass(frozen=True, slots=True)
class Live:
    """A database of the server. ``point`` is the restore point that it was made from, as far as this host knows."""

    oid: int
    point: str | None = None


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """``set_aside`` is the name that the present database gets; ``remove`` are older ones that go afterwards."""

    target: str
    reason: str
    changed: bool = True
    set_aside: str | None = None
    remove: tuple[str, ...] = ()
    schema: str | None = None


def decide(request: Request, point: Point, live: Mapping[str, Live], now: datetime) -> RestorePlan:
    """Raises OpsError for a name that cannot be, and for a database that is not there for ``tables``."""
    target = request.target
    if not target or len(target.encode()) > LONGEST_NAME:
        raise OpsError(f"{target!r} cannot be the name of a database (option into)")
    present = live.get(target)
    if request.tables:
        if present is None:
            raise OpsError(f"there is no database {target} to restore tables beside (option into)")
        return RestorePlan(target, "tables beside the live ones", schema=schema_name(point))
    if present is None:
        return RestorePlan(target, "there is no such database")
    if present.point == point.id and not request.force:
        return RestorePlan(target, f"{target} was restored from this point already", changed=False)
    aside = before_name(target, now)
    # What is set aside now stays in any case.
    removed = [name for name in expired(target, [*live, aside], request.keep, now) if name != aside]
    return RestorePlan(target, "replaces the present one", set_aside=aside, remove=tuple(removed))


def require_confirmation(request: Request, plan: RestorePlan) -> None:
    """Raises OpsError when a database would be replaced and its name was not repeated."""
    if plan.set_aside is not None and request.confirm != plan.target:
        raise OpsError(
            f"database {plan.target} exists already; to put the restored one in its place, repeat its name (option "
            f"confirm: {plan.target}; the present one is kept as {plan.set_aside}), or restore beside it (option into)"
        )


def schema_name(point: Point) -> str:
    """Where the tables of a point go: the rows are as they were at that time."""
    return f"restored_{point.taken_at.strftime(_STAMP)}"


def before_name(database: str, now: datetime) -> str:
    """The name under which the database that a restore replaces is kept."""
    return f"{_stem(database)}{_BEFORE}{now.astimezone(timezone.utc).strftime(_STAMP)}"


def set_aside_at(database: str, name: str) -> datetime | None:
    """When ``name`` was set aside in favour of ``database``; None when it is no such name."""
    found = _TAIL.search(name)
    if found is None or name[: found.start()] != _stem(database):
        return None
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def kept(database: str, names: Collection[str]) -> list[str]:
    """Databases that were set aside in favour of ``database``, newest first."""
    times = {name: at for name in names if (at := set_aside_at(database, name))}
    return sorted(times, key=lambda name: times[name], reverse=True)


def expired(database: str, names: Collection[str], keep: Keep, now: datetime) -> list[str]:
    """Which of the databases that were set aside go, newest first. The newest stays unless ``count`` is 0."""
    olds = kept(database, names)
    gone = set(olds[keep.count :]) if keep.count is not None else set()
    if keep.seconds is not None:
        limit = now - timedelta(seconds=keep.seconds)
        gone |= {name for name in olds[1:] if (set_aside_at(database, name) or now) < limit}
    return [name for name in olds if name in gone]


def _stem(database: str) -> str:
    room = LONGEST_NAME - len(_BEFORE) - 15
    if len(database.encode()) <= room:
        return database
    digest = hashlib.sha256(database.encode()).hexdigest()[:8]
    return database.encode()[: room - 9].decode(errors="ignore") + "_" + digest
