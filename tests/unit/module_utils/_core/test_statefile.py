# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers survives bad files and other processes that write at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.statefile import StateFile


def test_nothing_is_lost_when_several_change_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.json"

    def count(name: str) -> None:
        for _unused in range(20):
            with StateFile(path).changing() as known:
                known[name] = known.get(name, 0) + 1
                known["all"] = known.get("all", 0) + 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, "abcd"))
    assert StateFile(path).read() == {"a": 20, "b": 20, "c": 20, "d": 20, "all": 80}


def test_a_change_that_fails_leaves_it_as_it_was(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.json")
    with state.changing() as known:
        known["a"] = 1
    with pytest.raises(ValueError, match="inside"), state.changing() as known:
        known["a"] = 2
        raise ValueError("inside")
    assert state.read() == {"a": 1}


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_what_cannot_be_read_is_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content, encoding="utf-8")
    assert StateFile(path).read() == {}


def test_it_is_private(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "kept" / "state.json")
    with state.changing() as known:
        known["a"] = 1
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "kept", *(tmp_path / "kept").iterdir())}
    assert modes == {"kept": 0o700, "state.json": 0o600, "state.lock": 0o600}
