# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what the role wrote, and nobody names any more, is removed."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.written import (
    Written,
    both,
    leftovers,
    only,
    read_record,
    text_of_record,
    written_of,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

SHOP = PurePosixPath("/opt/shop")


def written(*names: str, directory: str = "/opt/shop") -> Written:
    return Written(directory, frozenset(names))


def test_the_record_is_read_back_as_it_was_written() -> None:
    record = {"shop": (written("compose.yaml", "secrets/token"), written("old.env", directory="/srv/shop"))}
    assert read_record(text_of_record(record)) == record
    assert read_record("") == {}


def test_files_that_are_no_longer_named_are_left_over_and_those_of_other_projects_are_not() -> None:
    old = {
        "shop": (written("compose.yaml", "a.env", "secrets/token"),),
        "other": (written("x.env", directory="/opt/o"),),
    }
    assert leftovers(old, {"shop": written("compose.yaml")}) == ["/opt/shop/a.env", "/opt/shop/secrets/token"]
    assert leftovers(old, {"shop": written("compose.yaml", "a.env", "secrets/token")}) == []
    assert leftovers({}, {"shop": written("compose.yaml")}) == []


def test_a_project_that_moved_leaves_its_old_files_over() -> None:
    old = {"shop": (written("compose.yaml"),)}
    new = {"shop": written("compose.yaml", directory="/srv/shop")}
    assert leftovers(old, new) == ["/opt/shop/compose.yaml"]
    assert leftovers(both(old, new), new) == ["/opt/shop/compose.yaml"], "also when a run was interrupted"
    assert only(both(old, new), new) == {"shop": (new["shop"],)}


def test_a_file_that_another_project_in_the_same_directory_names_stays() -> None:
    old = {"shop": (written("shared.env"),), "twin": (written("shared.env"),)}
    assert leftovers(old, {"shop": written("compose.yaml")}) == []


def test_an_interrupted_run_forgets_nothing() -> None:
    old = {"shop": (written("a.env"),)}
    assert both(old, {"shop": written("b.env")}) == {"shop": (written("a.env", "b.env"),)}


def test_paths_are_kept_relative_to_the_project() -> None:
    assert written_of(SHOP, ["/opt/shop/secrets/token", "/opt/shop/.env"]) == written(".env", "secrets/token")


@pytest.mark.parametrize(
    "text",
    [
        "[",
        '{"shop": 1}',
        '{"shop": [{"directory": "opt", "files": []}]}',
        '{"shop": [{"directory": "/opt/../etc", "files": []}]}',
        '{"shop": [{"directory": "/opt", "files": ["../etc/passwd"]}]}',
        '{"shop": [{"directory": "/opt", "files": ["secrets/.."]}]}',
        '{"shop": [{"directory": "/opt", "files": ["/etc/passwd"]}]}',
        '{"shop": [{"directory": "/opt", "files": "abc"}]}',
    ],
)
def test_a_record_that_names_anything_else_removes_nothing(text: str) -> None:
    with pytest.raises(OpsError, match="is damaged"):
        read_record(text)
