# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill: recover to a point between two known rows in a throw-away directory, and see which of them is there."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import OpsError
from .beside import RecoveryError, check_assertions, recovered
from .cluster import Place, ask, free_space, observe
from .plan import check_live, check_space, choose_backup, needed_space, timeline_of
from .recovery import Recovery, read_repository
from .restore import archive_beyond_now, bring_back
from .state import drill_samples
from .target import Target, parse_target

PLACE = "drill"
# One statement each, so that both rows are transactions of their own.
_TABLE = """
CREATE SCHEMA IF NOT EXISTS keelson_pitr;
CREATE TABLE IF NOT EXISTS keelson_pitr.drill (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
DELETE FROM keelson_pitr.drill
"""
_NOW = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"


@dataclass(frozen=True, slots=True)
class Drilled:
    """``seconds`` from the first byte restored to data that is known to be right."""

    target: str
    backup: str
    seconds: float
    size: int
    assertions: int


def drill(recovery: Recovery) -> Drilled:
    """Rehearse a recovery; the throw-away directory is gone afterwards, however it ends. Raises OpsError."""
    with recovery.locked("drill"):
        try:
            done = _drill(recovery)
        except OpsError as error:
            recovery.state.update(drill_ok=0)
            recovery.state.audit({"event": "drill failed", "error": error.message})
            raise
        finally:
            _publish(recovery)
        now = recovery.clock.now().timestamp()
        recovery.state.update(drill_ok=1, drill_at=now, drill_seconds=done.seconds)
        recovery.state.audit({"event": "drilled", "backup": done.backup, "seconds": done.seconds})
        _publish(recovery)
        return done


def _publish(recovery: Recovery) -> None:
    recovery.state.publish(drill_samples(recovery.settings.name, recovery.state.read()), "drill")


def _drill(recovery: Recovery) -> Drilled:
    cluster, settings = recovery.cluster, recovery.settings
    live = observe(cluster)
    check_live(live)
    repository = read_repository(recovery)
    _remove_left_over(recovery)
    before, target, after = _mark(recovery)
    backup = choose_backup(repository, target, recovery.clock.now())
    parent = Path(live.directory).parent
    check_space(needed_space(backup), free_space(parent), str(parent))
    place = cluster.make_place(PLACE)
    recovery.state.update(drill_place={"directory": str(place.path), "volume": place.volume})
    try:
        began = recovery.clock.monotonic()
        bring_back(recovery, place, backup, target, timeline_of(backup, live))
        recovery.reporter.step(f"recovering to {target.text}")
        with recovered(cluster, place, archive=False, timeout=settings.recovery_timeout, clock=recovery.clock):
            _look(recovery, before, after)
            check_assertions(cluster, settings.assertions)
            seconds = round(recovery.clock.monotonic() - began, 3)
    finally:
        cluster.remove_place(place)
        recovery.state.update(drill_place=None)
    return Drilled(target.text, backup.label, seconds, backup.size, len(settings.assertions))


def _mark(recovery: Recovery) -> tuple[str, Target, str]:
    """Write a row, take the time, write another, and see them archived."""
    recovery.reporter.step("writing a row before and a row after the point in time")
    cluster = recovery.cluster
    before, after = (f"{secrets.token_hex(8)}-{which}" for which in ("before", "after"))
    ask(cluster, _TABLE)
    ask(cluster, f"INSERT INTO keelson_pitr.drill (id) VALUES ('{before}')")  # noqa: S608
    target = parse_target(ask(cluster, _NOW))
    ask(cluster, f"INSERT INTO keelson_pitr.drill (id) VALUES ('{after}')")  # noqa: S608
    archive_beyond_now(recovery)
    return before, target, after


def _look(recovery: Recovery, before: str, after: str) -> None:
    found = ask(recovery.cluster, "SELECT coalesce(string_agg(id, ' '), '') FROM keelson_pitr.drill", beside=True)
    if found.split() != [before]:
        raise RecoveryError(
            f"of the rows {before} (before the point in time) and {after} (after it) there is: {found or 'none'}"
        )


def _remove_left_over(recovery: Recovery) -> None:
    """What a killed drill left."""
    left = recovery.state.read().get("drill_place")
    if isinstance(left, dict):
        place = Place(Path(left["directory"]), left["volume"])
        with suppress(OpsError):
            recovery.cluster.stop_beside(place)
        recovery.cluster.remove_place(place)
        recovery.state.update(drill_place=None)
