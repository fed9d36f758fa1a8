# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The merged report of the integration tests counts everything that ran, and what did not run as a failure."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.tools.integration import merge, subjects
from tests.tools.suite import read_junit

GOOD = '<testsuites><testsuite name="a" tests="3" failures="0" errors="0" skipped="1"/></testsuites>'


def count(tmp_path: Path, *parts: Path) -> tuple[int, int, int]:
    merged = tmp_path / "merged.xml"
    ElementTree.ElementTree(merge(parts)).write(merged)
    found = read_junit(merged)
    return found.passed, found.failed, found.skipped


def test_counts_are_added_up(tmp_path: Path) -> None:
    one, two = tmp_path / "one.xml", tmp_path / "two.xml"
    one.write_text(GOOD, encoding="utf-8")
    two.write_text(GOOD.replace('failures="0"', 'failures="1"'), encoding="utf-8")
    assert count(tmp_path, one, two) == (3, 1, 2)


def test_a_missing_and_a_damaged_report_are_failures(tmp_path: Path) -> None:
    one, damaged = tmp_path / "one.xml", tmp_path / "damaged.xml"
    one.write_text(GOOD, encoding="utf-8")
    damaged.write_text(GOOD[:20], encoding="utf-8")
    assert count(tmp_path, one, damaged, tmp_path / "never-written.xml") == (2, 2, 1)


def test_every_folder_with_tests_is_a_subject(tmp_path: Path) -> None:
    for name in ("zebra", "pg_backup", "empty"):
        (tmp_path / name).mkdir()
    for name in ("zebra", "pg_backup"):
        (tmp_path / name / "test_it.py").touch()
    assert subjects(tmp_path) == ["pg_backup", "zebra"]
