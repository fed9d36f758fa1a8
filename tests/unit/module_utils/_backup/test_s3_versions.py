# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a versioned bucket tells of objects that were deleted or overwritten."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.keelson.ops.plugins.module_utils._backup.s3_versions import histories

NOW = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)


def entry(key: str, version: str, minutes: int, *, latest: bool = False, size: int = 7) -> dict[str, Any]:
    at = NOW + timedelta(minutes=minutes)
    return {"Key": key, "VersionId": version, "LastModified": at, "IsLatest": latest, "Size": size}


def test_the_state_of_each_object() -> None:
    pages = [
        {
            "Versions": [
                entry("deleted", "d1", 0),
                entry("overwritten", "o2", 5, latest=True, size=1),
                entry("overwritten", "o1", 0, size=9),
                entry("present", "p1", 0, latest=True),
            ],
            "DeleteMarkers": [entry("deleted", "m1", 9, latest=True)],
        },
        {"DeleteMarkers": [entry("only a marker", "m2", 9, latest=True)]},
    ]
    found = {item.key: item for item in histories(pages)}
    assert {key: item.state for key, item in found.items()} == {
        "deleted": "deleted",
        "overwritten": "overwritten",
        "present": "present",
    }
    assert found["deleted"].markers == ("m1",)
    assert found["deleted"].changed_at == NOW + timedelta(minutes=9)
    # The first version is ours.
    assert (found["overwritten"].versions, found["overwritten"].bytes) == (("o1", "o2"), 9)


def test_an_object_that_came_back_after_its_deletion_is_present() -> None:
    versions = [entry("k", "v1", 0, latest=True)]
    (found,) = histories([{"Versions": versions, "DeleteMarkers": [entry("k", "m1", 3)]}])
    assert found.state == "present"


def test_what_was_overwritten_and_then_deleted_comes_back_as_it_was_first() -> None:
    versions = [entry("k", "v2", 4), entry("k", "v1", 0)]
    (found,) = histories([{"Versions": versions, "DeleteMarkers": [entry("k", "m1", 9, latest=True)]}])
    assert (found.state, found.versions[0]) == ("deleted", "v1")
