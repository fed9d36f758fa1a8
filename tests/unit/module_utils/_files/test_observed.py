# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import NOTHING, observe, observe_path
from ansible_collections.keelson.ops.plugins.module_utils._files.options import CONTENT_LIMIT


def see(path: Path, state: str = "file") -> object:
    return observe_path(DesiredFile(str(path), state)).kind  # type: ignore[arg-type]


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "to-directory").symlink_to(".")
    os.mkfifo(tmp_path / "pipe")
    assert see(tmp_path / "file") == "file"
    assert see(tmp_path) == "directory"
    assert see(tmp_path / "link") == "link"
    assert see(tmp_path / "dangling") == "link"
    assert see(tmp_path / "to-directory") == "link"
    assert see(tmp_path / "to-directory", "directory") == "directory"
    assert see(tmp_path / "pipe") == "other"
    assert see(tmp_path / "nothing") == "nothing"
    assert see(tmp_path / "file" / "below") == "nothing"


def test_a_file_too_large_to_be_wanted_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(CONTENT_LIMIT + 1)
    assert observe_path(DesiredFile(str(path))).content is None


def test_accounts_by_name_number_and_not_at_all() -> None:
    files = [DesiredFile("/nowhere/a", owner="root", group="0"), DesiredFile("/nowhere/b", owner="no-such-user")]
    facts = observe(files)
    assert facts.users == {"root": 0, "no-such-user": None}
    assert facts.groups == {"0": 0, "root": 0}
    assert facts.files["/nowhere/a"] == NOTHING
    assert facts.parents == {"/nowhere": "nothing"}


def test_what_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OpsError, match=f"{loop}/a: cannot be read: Too many levels of symbolic links"):
        observe_path(DesiredFile(str(loop / "a")))
