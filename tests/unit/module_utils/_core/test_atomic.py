# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.atomic import write_file


def test_replaces_the_content_and_sets_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "app.conf"
    target.write_text("old")
    write_file(target, b"new", mode=0o640)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_is_private_unless_told_otherwise(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        write_file(tmp_path / "key", b"secret")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "app.conf"
    target.write_text("old")
    with target.open() as reader:
        write_file(target, b"new")
        assert reader.read() == "old"


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.write_text("theirs")
    link.symlink_to(elsewhere)
    write_file(link, b"ours")
    assert elsewhere.read_text() == "theirs"
    assert not link.is_symlink()


@pytest.mark.parametrize("step", ["fsync", "fchown", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "app.conf"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    if step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_file(target, b"new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["app.conf"]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "missing" / "app.conf", b"new")
