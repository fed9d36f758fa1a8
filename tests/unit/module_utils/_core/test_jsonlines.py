# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals survive a crash in the middle of a line."""

from __future__ import annotations

import stat
from pathlib import Path

from ansible_collections.keelson.ops.plugins.module_utils._core.jsonlines import JsonLines


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = JsonLines(tmp_path / "state" / "journal.jsonl")
    journal.append({"step": 1})
    journal.append({"step": 2, "text": "two\nlines"})
    assert journal.entries() == [{"step": 1}, {"step": 2, "text": "two\nlines"}]


def test_a_torn_line_is_ignored_and_the_next_one_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = JsonLines(path)
    journal.append({"step": 1})
    with path.open("ab") as stream:
        stream.write(b'{"step": 2, "te')
    assert journal.entries() == [{"step": 1}]
    journal.append({"step": 3})
    assert journal.entries() == [{"step": 1}, {"step": 3}]


def test_lines_that_are_no_objects_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'\n[1]\n"text"\n\xff\xfe\n{"step": 1}\n')
    assert JsonLines(path).entries() == [{"step": 1}]


def test_is_private_and_can_be_forgotten(tmp_path: Path) -> None:
    journal = JsonLines(tmp_path / "journal.jsonl")
    assert journal.entries() == []
    journal.append({"step": 1})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    journal.remove()
    journal.remove()
    assert journal.entries() == []
