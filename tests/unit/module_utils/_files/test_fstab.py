# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount options in /etc/fstab: added, kept apart from what was there, taken away again."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._files.fstab import hardened

TABLE = """\
# a comment of the operator's
UUID=1  /      ext4  errors=remount-ro  0  1
LABEL=home\t/home\text4\tdefaults\t0\t2
/dev/sdb1 /srv ext4 exec,noatime 0 2 # data

none swap swap sw 0 0
"""
POINTS = {"/home": ["nodev", "nosuid"], "/srv": ["noexec"], "/tmp": ["noexec"]}
SHM = "tmpfs /dev/shm tmpfs rw,nosuid 0 0"


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_options_are_added_to_the_lines_of_their_mount_points_only() -> None:
    changed = lines(hardened(TABLE, {"/home": ["nodev", "nosuid"]}, []))
    assert "LABEL=home\t/home\text4\tdefaults,nodev,nosuid\t0\t2" in changed
    assert [line for line in lines(TABLE) if "/home" not in line] == [line for line in changed if "/home" not in line]


def test_an_option_takes_the_place_of_its_contrary() -> None:
    assert "/dev/sdb1 /srv ext4 noatime,noexec 0 2 # data" in lines(hardened(TABLE, {"/srv": ["noexec"]}, []))


def test_the_only_option_may_go() -> None:
    assert "a /a ext4 noexec 0 0" in lines(hardened("a /a ext4 exec 0 0\n", {"/a": ["noexec"]}, []))


def test_a_line_that_has_the_options_is_not_touched() -> None:
    text = "LABEL=home /home ext4 nosuid,nodev 0 2\n"
    assert hardened(text, POINTS, []) == text


def test_a_missing_line_is_added_and_one_of_the_operators_wins() -> None:
    assert SHM in lines(hardened(TABLE, {}, [SHM]))
    own = TABLE + "tmpfs /dev/shm tmpfs size=1g 0 0\n"
    assert hardened(own, {}, [SHM]) == own


def test_a_second_time_changes_nothing() -> None:
    once = hardened(TABLE, POINTS, [SHM])
    assert hardened(once, POINTS, [SHM]) == once


def test_without_options_all_is_as_it_was() -> None:
    assert hardened(hardened(TABLE, POINTS, [SHM]), {}, []) == TABLE


def test_other_options_than_last_time_leave_no_trace_of_those() -> None:
    assert hardened(hardened(TABLE, POINTS, [SHM]), {"/srv": ["nosuid"]}, []) == hardened(
        TABLE, {"/srv": ["nosuid"]}, []
    )


@pytest.mark.parametrize(
    "edited",
    [
        "LABEL=other /home ext4 defaults,nodev,nosuid 0 2",
        "LABEL=home /home xfs defaults,nodev,nosuid 0 2",
        "LABEL=home /home ext4 noatime 0 2",
        "#LABEL=home /home ext4 defaults,nodev,nosuid 0 2",
    ],
)
def test_a_line_edited_by_somebody_since_stays(edited: str) -> None:
    once = hardened("LABEL=home /home ext4 defaults 0 2\n", POINTS, [])
    changed = [*lines(once)[:-1], edited]
    assert lines(hardened("\n".join(changed), {}, [])) == [edited]


def test_lines_that_are_no_mounts_stay() -> None:
    text = "too few fields\n#LABEL=home /home ext4 defaults 0 2\n"
    assert hardened(text, POINTS, []) == text


def test_a_last_line_without_an_end_is_no_reason_to_write() -> None:
    text = "LABEL=root / ext4 defaults 0 1"
    assert hardened(text, POINTS, []) == text


def test_an_empty_file_stays_empty() -> None:
    assert hardened("", POINTS, []) == ""
