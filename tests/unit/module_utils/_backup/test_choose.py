# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which restore point a name, a time or ``latest`` means, when there are copies of it in two places."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import Backup, mark, open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.points import MANIFEST as FILE
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import parse_settings
from ansible_collections.keelson.ops.plugins.module_utils._backup.verify import choose
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from tests.unit.module_utils._backup.example import MANIFEST

OLD = "20260301T023000Z-0000001d"


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    """Two points, each in both destinations."""
    places = [{"type": "directory", "path": str(tmp_path / name)} for name in ("first", "second")]
    files = {"audit_log": str(tmp_path / "audit.jsonl"), "metrics_dir": str(tmp_path / "metrics")}
    opened = open_backup(
        parse_settings({"databases": ["shop"], "destinations": places, "state_dir": str(tmp_path / "state"), **files})
    )
    for manifest in (MANIFEST, replace(MANIFEST, id=OLD)):
        for storage in opened.storages:
            storage.write(manifest.point.path(FILE), manifest.to_bytes())
    return opened


@pytest.mark.parametrize("which", [MANIFEST.id, "latest", "2026-03-05T00:00:00Z"])
def test_a_sound_copy_is_taken_when_that_of_another_destination_is_damaged(backup: Backup, which: str) -> None:
    first, second = backup.storages
    Path(first.location, MANIFEST.point.path(FILE)).write_text("{", encoding="utf-8")
    chosen = choose(backup, "shop", which)
    assert (chosen.point, chosen.storage.location) == (MANIFEST.point, second.location)


def test_a_copy_that_failed_a_verification_is_passed_over(backup: Backup) -> None:
    first, second = backup.storages
    backup.state.update("shop", damaged=(mark(first.location, MANIFEST.point),))
    assert choose(backup, "shop", MANIFEST.id).storage.location == second.location


def test_latest_is_an_older_point_when_no_copy_of_the_newest_is_sound(backup: Backup) -> None:
    for storage in backup.storages:
        Path(storage.location, MANIFEST.point.path(FILE)).write_text("{", encoding="utf-8")
    assert choose(backup, "shop", "latest").point.id == OLD
    with pytest.raises(OpsError, match="not a manifest"):
        choose(backup, "shop", MANIFEST.id)
