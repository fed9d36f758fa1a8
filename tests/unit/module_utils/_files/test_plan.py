# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided from desired and observed state."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import NOTHING, Facts, Kind, Observed
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import Plan, make_plan

FILE = DesiredFile("/etc/app/a.conf", content=b"new")
SAME = Observed("file", 0o644, 0, 0, b"new")
OLD = Observed("file", 0o644, 0, 0, b"old")
DIRECTORY = DesiredFile("/etc/app", "directory", mode=0o755)


def facts(found: dict[str, Observed] | None = None, parents: dict[str, Kind] | None = None) -> Facts:
    users = {"root": 0, "app": 1000, "ghost": None}
    places: dict[str, Kind] = {"/etc": "directory", "/etc/app": "directory"}
    return Facts(found or {}, {**places, **(parents or {})}, users, users)


def plan(*files: DesiredFile, check_mode: bool = False, **found: object) -> Plan:
    return make_plan(files, facts(**found), check_mode=check_mode)  # type: ignore[arg-type]


def action(file: DesiredFile, observed: Observed) -> str:
    return plan(file, found={file.dest: observed}).changes[0].action


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (NOTHING, "write"),
        (SAME, "keep"),
        (OLD, "write"),
        (replace(SAME, mode=0o600), "attributes"),
        (replace(SAME, uid=1000), "attributes"),
        (replace(SAME, gid=1000), "attributes"),
        (replace(SAME, content=None), "write"),
        (Observed("link", 0o777, 0, 0, target="elsewhere"), "write"),
    ],
)
def test_a_file(observed: Observed, expected: str) -> None:
    assert action(FILE, observed) == expected


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (NOTHING, "write"),
        (OLD, "keep"),
        (replace(OLD, mode=0o600), "attributes"),
        (Observed("link", 0o777, 0, 0, target="elsewhere"), "keep"),
    ],
)
def test_a_file_that_is_only_created(observed: Observed, expected: str) -> None:
    assert action(replace(FILE, force=False), observed) == expected


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (NOTHING, "make_directory"),
        (Observed("directory", 0o755, 0, 0), "keep"),
        (Observed("directory", 0o700, 0, 0), "attributes"),
    ],
)
def test_a_directory(observed: Observed, expected: str) -> None:
    assert action(DIRECTORY, observed) == expected


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (NOTHING, "keep"),
        (OLD, "remove"),
        (Observed("link", target="elsewhere"), "remove"),
        (Observed("directory"), "remove"),
        (Observed("other"), "remove"),
    ],
)
def test_an_absent_path(observed: Observed, expected: str) -> None:
    assert action(DesiredFile("/etc/app/a.conf", "absent"), observed) == expected


def test_order_is_directories_down_files_as_given_removals_up() -> None:
    made = plan(
        DesiredFile("/etc/old", "absent"),
        DesiredFile("/etc/old/a", "absent"),
        DesiredFile("/etc/app/z", content=b""),
        DesiredFile("/etc/app/conf.d", "directory"),
        DesiredFile("/etc/app/a", content=b""),
        DIRECTORY,
        found={"/etc/old": Observed("directory", entries=("a",))},
    )
    assert [change.file.dest for change in made.changes] == [
        "/etc/app",
        "/etc/app/conf.d",
        "/etc/app/z",
        "/etc/app/a",
        "/etc/old/a",
        "/etc/old",
    ]


def test_tells_what_changes() -> None:
    made = plan(
        replace(FILE, set_name="one"),
        DesiredFile("/etc/app/b", content=b"new", set_name="two"),
        DesiredFile("/etc/app/c", content=b"new"),
        found={"/etc/app/a.conf": SAME},
    )
    assert made.changed
    assert made.changed_files == ["/etc/app/b", "/etc/app/c"]
    assert made.changed_sets == ["two"]
    assert not plan(FILE, found={FILE.dest: SAME}).changed


@pytest.mark.parametrize(
    ("file", "observed", "problem"),
    [
        (FILE, Observed("directory"), "/etc/app/a.conf: is a directory, not a file"),
        (FILE, Observed("other"), "/etc/app/a.conf: is a special file, not a file"),
        (DIRECTORY, OLD, "/etc/app: is a file, not a directory"),
        (DIRECTORY, Observed("link", target="x"), "/etc/app: is a link that leads to no directory, not a directory"),
        (
            DesiredFile("/etc/app", "absent"),
            Observed("directory", entries=("a", "b", "c", "d")),
            "/etc/app: is a directory that holds a, b, c and more; only an empty one is removed",
        ),
    ],
)
def test_what_stands_in_the_way_is_an_error_in_check_mode_too(
    file: DesiredFile, observed: Observed, problem: str
) -> None:
    for check_mode in (False, True):
        with pytest.raises(OpsError) as caught:
            plan(file, check_mode=check_mode, found={file.dest: observed})
        assert caught.value.message.startswith(problem)
        assert caught.value.message.endswith("nothing was changed")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (replace(FILE, owner="ghost"), "/etc/app/a.conf: owner ghost does not exist on this host"),
        (replace(FILE, group="ghost"), "/etc/app/a.conf: group ghost does not exist on this host"),
        (
            DesiredFile("/etc/new/a", content=b""),
            "/etc/new/a: the directory /etc/new does not exist; add an entry with dest: /etc/new and state: directory",
        ),
    ],
)
def test_what_a_package_may_bring_is_no_error_in_check_mode(file: DesiredFile, problem: str) -> None:
    with pytest.raises(OpsError) as caught:
        plan(file)
    assert problem in caught.value.message
    assert plan(file, check_mode=True).changed_files == [file.dest]


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(OpsError) as caught:
        plan(replace(FILE, owner="ghost"), DesiredFile("/etc/new/a", content=b""))
    assert len(caught.value.facts["problems"]) == 2  # type: ignore[arg-type]


def test_a_directory_of_the_same_call_is_enough() -> None:
    made = plan(DesiredFile("/etc/new/a", content=b""), DesiredFile("/etc/new", "directory"))
    assert made.changed_files == ["/etc/new", "/etc/new/a"]


def test_a_parent_that_is_a_file_is_an_error() -> None:
    with pytest.raises(OpsError, match="/etc/new is not a directory"):
        plan(DesiredFile("/etc/new/a", content=b""), check_mode=True, parents={"/etc/new": "other"})


def test_content_after() -> None:
    kept = plan(replace(FILE, force=False), found={FILE.dest: OLD}).changes[0]
    assert kept.content_after == b"old"
    assert plan(FILE, found={FILE.dest: OLD}).changes[0].content_after == b"new"
    assert plan(replace(FILE, state="absent", content=None)).changes[0].content_after is None
