# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run left is removed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.keelson.ops.plugins.module_utils._files.leftovers import (
    STALE_SECONDS,
    second_name,
    sweep_beside,
    sweep_staged,
)


def test_a_second_name_is_hidden_and_beside() -> None:
    name = second_name(Path("/etc/app.conf"))
    assert name.parent == Path("/etc")
    assert name.name.startswith(".app.conf.")
    assert name.name.endswith(".saved")


def test_old_temporary_files_of_managed_paths_go(tmp_path: Path) -> None:
    managed = tmp_path / "app.conf"
    stale = [tmp_path / ".app.conf.0123456789ab.tmp", tmp_path / ".app.conf.ba9876543210.saved"]
    others = [
        managed,
        tmp_path / ".other.conf.0123456789ab.tmp",
        tmp_path / ".app.conf.swp",
        tmp_path / "app.conf.1.2026~",
    ]
    for path in [*stale, *others]:
        path.write_text("x")
    now = time.time()
    assert sweep_beside([str(managed)], now) == []
    assert sorted(sweep_beside([str(managed)], now + STALE_SECONDS + 5)) == sorted(stale)
    assert all(path.exists() for path in others)


def test_a_missing_directory_is_nothing_to_sweep() -> None:
    assert sweep_beside(["/nowhere/app.conf"], 0.0) == []
    assert sweep_staged(Path("/nowhere")) == []


def test_staging_directories_of_dead_processes_go(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    stale = tmp_path / f"keelson-staged-{done.pid}-abc"
    live = tmp_path / f"keelson-staged-{os.getpid()}-abc"
    for path in (stale, live):
        (path / "etc").mkdir(parents=True)
        (path / "etc" / "key").write_text("secret")
    assert sweep_staged(tmp_path) == [stale]
    assert live.exists()
    assert not stale.exists()
