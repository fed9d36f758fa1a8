# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers between runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.keelson.ops.plugins.module_utils._backup.points import Point, new_point
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import Settings, parse_settings
from ansible_collections.keelson.ops.plugins.module_utils._backup.state import HostState, orphan_rule

NOW = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)


def settings(tmp_path: Path) -> Settings:
    return parse_settings(
        {
            "name": "main",
            "databases": ["shop", "billing"],
            "destinations": [{"type": "directory", "path": "/b"}],
            "state_dir": str(tmp_path / "state"),
            "metrics_dir": str(tmp_path / "metrics"),
            "audit_log": str(tmp_path / "audit.jsonl"),
        }
    )


def test_a_run_that_began_and_did_not_end_is_remembered(tmp_path: Path) -> None:
    state = HostState(settings(tmp_path))
    done, died = Point("20260301T020000Z-00000001", "shop"), Point("20260301T020000Z-00000002", "billing")
    for point in (done, died):
        state.begin(point)
    state.end(done)
    assert HostState(settings(tmp_path)).open_points() == {died}


def test_own_orphans_go_at_once_and_unknown_ones_after_a_day() -> None:
    mine, young, old = (new_point("shop", NOW - timedelta(hours=h), f"0000000{h % 10}") for h in (1, 2, 25))
    orphan = orphan_rule({mine}, NOW)
    assert [orphan(point) for point in (mine, young, old)] == [True, False, True]


def test_metrics_hold_what_happened_and_nothing_else(tmp_path: Path) -> None:
    state = HostState(settings(tmp_path))
    state.update("shop", attempt_ok=True, success_at=5.0, retained=3)
    state.update("billing", attempt_ok=False)
    text = (tmp_path / "metrics" / "keelson_backup_main.prom").read_text(encoding="utf-8")
    assert 'keelson_backup_last_attempt_status{backup="main",database="shop"} 1\n' in text
    assert 'keelson_backup_last_attempt_status{backup="main",database="billing"} 0\n' in text
    assert 'keelson_backup_retained{backup="main",database="shop"} 3\n' in text
    assert "keelson_restore_test" not in text
    assert 'last_success_timestamp_seconds{backup="main",database="billing"}' not in text


def test_a_failure_does_not_forget_the_last_success(tmp_path: Path) -> None:
    state = HostState(settings(tmp_path))
    state.update("shop", attempt_ok=True, success_at=5.0, damaged=("/b/x",))
    state.update("shop", attempt_ok=False)
    remembered = HostState(settings(tmp_path)).of("shop")
    assert (remembered.attempt_ok, remembered.success_at, remembered.damaged) == (False, 5.0, ("/b/x",))


def test_the_first_success_is_remembered_for_good(tmp_path: Path) -> None:
    state = HostState(settings(tmp_path))
    state.update("shop", attempt_ok=False)
    assert state.of("shop").first_success_at is None
    state.update("shop", attempt_ok=True, success_at=5.0)
    state.update("shop", attempt_ok=True, success_at=9.0)
    text = (tmp_path / "metrics" / "keelson_backup_main.prom").read_text(encoding="utf-8")
    assert 'keelson_backup_first_success_timestamp_seconds{backup="main",database="shop"} 5\n' in text
    assert 'keelson_backup_last_success_timestamp_seconds{backup="main",database="shop"} 9\n' in text


def test_a_state_file_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    state = HostState(settings(tmp_path))
    state.update("shop", attempt_ok=True)
    (tmp_path / "state" / "main" / "state.json").write_text("{", encoding="utf-8")
    assert state.of("shop").attempt_ok is None
