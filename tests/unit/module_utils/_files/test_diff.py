# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see in diff mode, and what they never see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.diff import SHOWN_LIMIT, diffs
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import NOTHING, Facts, Observed
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import make_plan

FILE = DesiredFile("/etc/a", content=b"new\n", group="app", mode=0o640)
OLD = Observed("file", 0o644, 0, 1000, b"old\n")


def diff(file: DesiredFile, observed: Observed) -> list[dict[str, object]]:
    accounts = {"root": 0, "app": 1000}
    names = {uid: name for name, uid in accounts.items()}
    facts = Facts({file.dest: observed}, {"/etc": "directory"}, accounts, accounts, names, names)
    return diffs(make_plan([file], facts, check_mode=False), facts)


def test_new_content_below_headers_with_owner_and_mode() -> None:
    assert diff(FILE, OLD) == [
        {
            "before_header": "/etc/a (root:app 0644)",
            "after_header": "/etc/a (root:app 0640)",
            "before": "old\n",
            "after": "new\n",
        }
    ]


def test_a_new_file_and_a_removed_one() -> None:
    (created,) = diff(FILE, NOTHING)
    assert (created["before_header"], created["before"], created["after"]) == ("/etc/a (absent)", "", "new\n")
    (removed,) = diff(DesiredFile("/etc/a", "absent"), OLD)
    assert (removed["after_header"], removed["before"], removed["after"]) == ("/etc/a (absent)", "old\n", "")


def test_owner_and_mode_alone() -> None:
    (shown,) = diff(FILE, replace(OLD, content=b"new\n"))
    assert shown["before"] == {"path": "/etc/a", "state": "file", "mode": "0644", "owner": "root", "group": "app"}
    assert shown["after"] == {"path": "/etc/a", "state": "file", "mode": "0640", "owner": "root", "group": "app"}


def test_nothing_for_what_is_kept() -> None:
    assert diff(FILE, replace(OLD, content=b"new\n", mode=0o640)) == []


def test_a_link_is_shown_as_such() -> None:
    (shown,) = diff(FILE, Observed("link", 0o777, 0, 0, target="/srv/a"))
    assert shown["before"] == "[link to /srv/a]\n"


def test_a_directory() -> None:
    (shown,) = diff(DesiredFile("/etc/a", "directory", mode=0o755), NOTHING)
    assert shown["before"] == {"path": "/etc/a", "state": "absent"}
    (shown,) = diff(DesiredFile("/etc/a", "absent"), Observed("directory", 0o755, 0, 0))
    assert shown["after"] == {"path": "/etc/a", "state": "absent"}


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe"])
def test_binary_content_is_only_told_of(content: bytes) -> None:
    (shown,) = diff(replace(FILE, content=content), OLD)
    assert shown["after"] == f"[binary content, {len(content)} bytes]\n"


def test_large_content_is_only_told_of() -> None:
    (shown,) = diff(replace(FILE, content=b"x" * (SHOWN_LIMIT + 1)), replace(OLD, content=None))
    assert shown["before"] == "[too large to be shown]\n"
    assert shown["after"] == f"[{SHOWN_LIMIT + 1} bytes, too large to be shown]\n"


def test_a_file_without_a_diff_is_told_by_size_and_digest() -> None:
    (shown,) = diff(replace(FILE, content=b"line\n" * 1000, diff=False), OLD)
    assert "line" not in str(shown)
    assert str(shown["after"]).startswith("[5000 bytes, sha256 ")
    assert shown["before"] != shown["after"]
    (new,) = diff(replace(FILE, content=b"line\n", diff=False), NOTHING)
    assert new["before"] == ""


@pytest.mark.parametrize("observed", [OLD, NOTHING, replace(OLD, content=b"")])
@pytest.mark.parametrize("state", ["file", "absent"])
def test_a_secret_is_never_shown_but_its_mode_is(observed: Observed, state: str) -> None:
    file = replace(FILE, secret=True, state=state, content=b"hunter2\n" if state == "file" else None)
    shown = diff(file, replace(observed, content=b"hunter1\n") if observed.content else observed)
    assert "hunter" not in str(shown)
    if state == "file":
        assert "0640" in str(shown)
        assert shown[0]["before"] != shown[0]["after"]
