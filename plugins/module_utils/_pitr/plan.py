# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery would do, decided before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._core.errors import OpsError
from .repository import Repository, StoredBackup
from .target import Target

# What is written while WAL is replayed: checkpoints' segments, sorts, the first new segments.
SPACE_FACTOR = 1.1
SPACE_RESERVE = 512 * 1024 * 1024

RESTORE, SWITCH, NOTHING = "restore", "switch", "nothing"


@dataclass(frozen=True, slots=True)
class Live:
    """The cluster as it is: ``system_id`` and ``timeline`` are None when its control file can't be read."""

    directory: str
    running: bool
    system_id: int | None
    timeline: int | None
    tablespaces: bool
    is_mount: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recovered and verified data directory that waits beside the live one; ``inode`` knows it in any place.

    ``newest`` is when its last transaction was committed, in seconds since the epoch.
    """

    target: str
    backup: str
    directory: str
    volume: str | None
    inode: int
    seconds: float
    newest: float | None = None


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """``action`` is what is left to do before the switch; ``switch`` tells whether that was confirmed."""

    action: str
    reason: str
    target: Target
    backup: StoredBackup | None
    timeline: str
    needed: int
    switch: bool

    @property
    def changes(self) -> bool:
        return self.action == RESTORE or (self.action == SWITCH and self.switch)


def choose_backup(repository: Repository, target: Target, now: datetime) -> StoredBackup:
    """The newest backup that ended before the target. Raises OpsError when none did, or the target is still to come.

    pgBackRest itself takes the newest of all when none is old enough, and recovery then fails long after.
    """
    usable = [backup for backup in repository.backups if not backup.damaged]
    if not usable:
        raise OpsError("there is no backup to restore from; take one: keelson pitr backup --type full")
    if target.time is None:
        return usable[-1]
    if target.time > now:
        raise OpsError(f"target_time {target.text} is in the future (it is {now:%Y-%m-%d %H:%M:%S}+00 here)")
    before = [backup for backup in usable if backup.ended <= target.time]
    if not before:
        raise OpsError(
            f"target_time {target.text} is before the end of the oldest backup that is kept; "
            f"the earliest time that can be restored is {usable[0].ended:%Y-%m-%d %H:%M:%S}+00",
            earliest=f"{usable[0].ended:%Y-%m-%d %H:%M:%S}+00",
        )
    return before[-1]


def timeline_of(backup: StoredBackup, live: Live) -> str:
    """The history to follow: the live cluster's own, not one that a restore which was taken back left in the archive.

    A cluster that isn't the one that was backed up (a new one after a total loss) has no say.
    """
    if live.timeline is None or live.system_id is None or live.system_id != backup.system_id:
        return "latest"
    return str(live.timeline)


def plan_restore(
    repository: Repository,
    live: Live,
    target: Target,
    now: datetime,
    *,
    prepared: Prepared | None,
    switched: Mapping[str, Any] | None,
    confirmed: bool,
    again: bool,
) -> RestorePlan:
    """Decide between restoring, only switching to what was restored before, and nothing. Raises OpsError."""
    check_live(live)
    if not repository.exists:
        raise OpsError(f"the repository can't be used: {repository.problem}")
    needed, timeline = 0, "latest"
    backup: StoredBackup | None = None
    if switched is not None and switched.get("target") == target.text and target.time is not None and not again:
        action, reason = NOTHING, f"the cluster was restored to this time before, at {switched.get('at')}"
    elif prepared is not None and prepared.target == target.text and target.time is not None and not again:
        action, reason = SWITCH, f"{prepared.directory} was restored to this time and verified"
    else:
        backup = choose_backup(repository, target, now)
        needed, timeline = needed_space(backup), timeline_of(backup, live)
        action, reason = RESTORE, f"backup {backup.label} ended {backup.ended:%Y-%m-%d %H:%M:%S}+00"
    return RestorePlan(action, reason, target, backup, timeline, needed, confirmed)


def check_live(live: Live) -> None:
    """Refuse what can't be switched by renaming directories. Raises OpsError."""
    if live.tablespaces:
        raise OpsError(
            f"{live.directory} has tablespaces outside of it; restore it by hand with pgbackrest (--tablespace-map)"
        )
    if live.is_mount:
        raise OpsError(f"{live.directory} is itself a mount point and can't be exchanged; mount its parent instead")


def needed_space(backup: StoredBackup) -> int:
    """Bytes that restoring ``backup`` beside the live cluster takes."""
    return int(backup.size * SPACE_FACTOR) + SPACE_RESERVE


def check_space(needed: int, free: int, directory: str) -> None:
    """Raise OpsError when ``needed`` bytes aren't free."""
    if free < needed:
        raise OpsError(
            f"the restore needs about {needed / 1e6:.0f} MB in {directory}, {free / 1e6:.0f} MB are free",
            needed=needed,
            free=free,
        )


def plan_lines(plan: RestorePlan, live: Live, name: str) -> list[str]:
    """The plan for people."""
    if plan.action == NOTHING:
        return [f"nothing to do: {plan.reason}"]
    lines = []
    if plan.backup is not None:
        lines.append(f"restore backup {plan.backup.label} beside {live.directory} ({plan.backup.size / 1e6:.0f} MB)")
        lines.append(
            f"recover it to {plan.target.text} on timeline {plan.timeline}, wait until it left recovery, verify it"
        )
    else:
        lines.append(f"use what is there: {plan.reason}")
    if plan.switch:
        lines.append("stop the live server, exchange both directories, start it; the old data is kept")
    else:
        lines.append(f"leave the live server as it is; confirm with {name!r} to switch")
    return lines
