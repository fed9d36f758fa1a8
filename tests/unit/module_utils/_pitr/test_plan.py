# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery decides: the time, the backup, the history to follow, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._pitr.plan import (
    NOTHING,
    RESTORE,
    SWITCH,
    Live,
    Prepared,
    RestorePlan,
    check_space,
    choose_backup,
    plan_restore,
)
from ansible_collections.keelson.ops.plugins.module_utils._pitr.repository import Repository, parse_info
from ansible_collections.keelson.ops.plugins.module_utils._pitr.target import Target, parse_target

UTC = timezone.utc
BEGIN = datetime(2026, 11, 15, 1, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SYSTEM = 7710907766414117734
LIVE = Live("/var/lib/postgresql/17/main", True, SYSTEM, 3, False, False)


def described(*, code: int = 0, errors: tuple[int, ...] = (), days: int = 7) -> list[dict[str, Any]]:
    """As pgBackRest 2.55 tells it: a full backup on the first day, then one each day that builds on it."""
    first = f"{BEGIN:%Y%m%d}-010000F"
    backups = [
        {
            "archive": {"start": f"0000000{1 + n // 4}00000000000000{n:02X}", "stop": f"0000000100000000000000{n:02X}"},
            "database": {"id": 1, "repo-key": 1},
            "error": n in errors,
            "info": {"size": 23_000_000, "delta": 1000, "repository": {"size": 2_800_000, "delta": 2_000 + n}},
            "label": first if n == 0 else f"{first}_{BEGIN + timedelta(days=n):%Y%m%d}-010000I",
            "timestamp": {
                "start": int((BEGIN + timedelta(days=n)).timestamp()),
                "stop": int((BEGIN + timedelta(days=n, minutes=10)).timestamp()),
            },
            "type": "full" if n == 0 else "incr",
        }
        for n in range(days)
    ]
    archive = {"database": {"id": 1, "repo-key": 1}, "id": "17-1", "min": "0" * 23 + "1", "max": "0" * 22 + "42"}
    database = {"id": 1, "repo-key": 1, "system-id": SYSTEM, "version": "17"}
    status = {"code": code, "message": "ok" if code == 0 else "no valid backups"}
    return [{"archive": [archive], "backup": backups, "db": [database], "name": "main", "status": status}]


def repository(**changes: Any) -> Repository:
    return parse_info(json.dumps(described(**changes)), "main")


def decide(target: str, **changes: Any) -> RestorePlan:
    options: dict[str, Any] = {"prepared": None, "switched": None, "confirmed": False, "again": False, **changes}
    live = options.pop("live", LIVE)
    return plan_restore(repository(), live, parse_target(target), NOW, **options)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22 10:00:00+00", "2026-11-22 10:00:00+00"),
        ("2026-11-22T10:00:00Z", "2026-11-22 10:00:00+00"),
        ("2026-11-22 07:00-03:00", "2026-11-22 10:00:00+00"),
        ("2026-11-22 15:30:00.25+0530", "2026-11-22 10:00:00.25+00"),
        (" 2026-11-22 10:00:00.000001 UTC ", "2026-11-22 10:00:00.000001+00"),
        ("latest", "latest"),
    ],
)
def test_a_time_is_understood_and_told_in_utc(written: str, meant: str) -> None:
    assert parse_target(written).text == meant


@pytest.mark.parametrize(
    "written", ["2026-11-22 10:00:00", "yesterday", "", "2026-13-22 10:00:00Z", "22/11/2026 10:00Z"]
)
def test_a_time_that_could_mean_several_instants_is_refused(written: str) -> None:
    with pytest.raises(OpsError, match="target_time"):
        parse_target(written)


def test_the_newest_backup_that_ended_before_the_time_is_restored() -> None:
    plan = decide("2026-11-18 01:09:59Z")
    assert plan.backup is not None
    assert plan.backup.label.endswith("20261117-010000I")
    assert plan.action == RESTORE
    assert plan.timeline == "3"
    assert not plan.switch


def test_a_damaged_backup_is_passed_over() -> None:
    chosen = choose_backup(repository(errors=(5, 6)), Target(None), NOW)
    assert chosen.label.endswith("20261119-010000I")


def test_a_time_before_the_oldest_backup_is_refused_with_the_earliest_that_is_possible() -> None:
    with pytest.raises(OpsError, match="earliest time that can be restored is 2026-11-15 01:10:00"):
        decide("2026-11-15 01:00:00Z")


def test_the_future_is_refused() -> None:
    with pytest.raises(OpsError, match="in the future"):
        decide("2026-11-22 12:00:01Z")


def test_nothing_to_restore_from() -> None:
    with pytest.raises(OpsError, match="no backup"):
        choose_backup(repository(days=0, code=2), Target(None), NOW)


def test_a_new_cluster_after_a_total_loss_has_no_say_in_the_history_to_follow() -> None:
    fresh = Live(LIVE.directory, True, 42, 1, False, False)
    assert decide("latest", live=fresh).timeline == "latest"
    assert decide("latest", live=Live(LIVE.directory, False, None, None, False, False)).timeline == "latest"


@pytest.mark.parametrize(
    ("tablespaces", "is_mount", "says"), [(True, False, "tablespaces"), (False, True, "itself a mount point")]
)
def test_what_cannot_be_exchanged_is_refused(tablespaces: bool, is_mount: bool, says: str) -> None:
    with pytest.raises(OpsError, match=says):
        decide("latest", live=Live(LIVE.directory, True, SYSTEM, 1, tablespaces, is_mount))


def test_of_a_cluster_that_was_there_before_the_live_one_the_whole_history_is_followed() -> None:
    described_before = described()
    described_before[0]["db"].append({"id": 2, "repo-key": 1, "system-id": 42, "version": "17"})
    fresh = Live(LIVE.directory, True, 42, 1, False, False)
    both = parse_info(json.dumps(described_before), "main")
    options = {"prepared": None, "switched": None, "confirmed": False, "again": False}
    assert plan_restore(both, fresh, parse_target("2026-11-20 10:00Z"), NOW, **options).timeline == "latest"  # type: ignore[arg-type]


PREPARED = Prepared("2026-11-20 10:00:00+00", "x", "/beside", None, 7, 12.5)


def test_what_was_restored_to_this_time_before_is_only_switched_to() -> None:
    plan = decide("2026-11-20 07:00:00-03", prepared=PREPARED, confirmed=True)
    assert (plan.action, plan.switch, plan.changes) == (SWITCH, True, True)
    assert not decide("2026-11-20 10:00Z", prepared=PREPARED).changes


def test_another_time_is_restored_anew() -> None:
    assert decide("2026-11-20 11:00Z", prepared=PREPARED, confirmed=True).action == RESTORE
    assert decide("2026-11-20 10:00Z", prepared=PREPARED, again=True).action == RESTORE


def test_a_second_run_after_the_switch_does_nothing_unless_told() -> None:
    switched = {"target": "2026-11-20 10:00:00+00", "at": "2026-11-22 11:00:00+00"}
    assert decide("2026-11-20 10:00Z", switched=switched, confirmed=True).action == NOTHING
    assert decide("2026-11-20 10:00Z", switched=switched, confirmed=True, again=True).action == RESTORE


def test_too_little_space_is_told_before() -> None:
    needed = decide("latest").needed
    assert needed > 23_000_000
    with pytest.raises(OpsError, match="are free"):
        check_space(needed, needed - 1, "/var/lib/postgresql/17")


def test_states_of_a_stanza() -> None:
    none = parse_info(
        '[{"backup":[],"db":[],"name":"main","status":{"code":1,"message":"missing stanza path"}}]', "main"
    )
    assert (none.exists, none.problem) == (False, "missing stanza path")
    assert not parse_info("[]", "main").exists
    new = repository(days=0, code=2)
    assert (new.exists, new.problem, new.backups) == (True, None, ())
    assert repository().wal_last == "0" * 22 + "42"
    assert [b.timeline for b in repository().backups] == [1, 1, 1, 1, 2, 2, 2]
    with pytest.raises(OpsError, match="did not answer"):
        parse_info("ERROR: [055]", "main")
