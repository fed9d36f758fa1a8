# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing of a bucket for backups, and what is refused because it would be worse than what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._bucket.plan import (
    LEAST_MOVED_BYTES,
    PUBLIC_BLOCKS,
    Lifecycle,
    Observed,
    Wanted,
    changes,
    check,
    ignores_sizes,
    refuse_weaker,
    rules,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

WANTED = Wanted(lifecycle=Lifecycle(), lock=True, lock_mode="GOVERNANCE", lock_days=14)
FIT = Observed(
    exists=True,
    empty=False,
    versioning="Enabled",
    public_blocks=frozenset(PUBLIC_BLOCKS),
    encryption="AES256",
    rules=tuple(rules(Lifecycle())),
    lock=True,
    lock_mode="GOVERNANCE",
    lock_days=14,
)


def aspects(wanted: Wanted, observed: Observed) -> list[str]:
    return [change.aspect for change in changes(wanted, observed)]


def test_a_new_bucket_gets_everything_and_nothing_of_it_is_weaker() -> None:
    planned = changes(WANTED, Observed())
    assert [change.aspect for change in planned] == [
        "bucket",
        "public_access_block",
        "encryption",
        "retention",
        "lifecycle",
    ]
    refuse_weaker(planned, allowed=False)


def test_nothing_is_to_be_done_for_a_bucket_that_is_fit() -> None:
    assert changes(WANTED, FIT) == []


def test_what_is_stronger_or_was_not_asked_for_stays() -> None:
    assert aspects(Wanted(), replace(FIT, rules=({"ID": "another's"},))) == []


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"versioning": "Suspended"}, "versioning"),
        ({"public_blocks": frozenset(PUBLIC_BLOCKS[:3])}, "public_access_block"),
        ({"encryption": None}, "encryption"),
        ({"lock_days": 7}, "retention"),
        ({"rules": (), "empty": True}, "lifecycle"),
    ],
)
def test_what_is_missing_is_added(change: dict[str, Any], aspect: str) -> None:
    planned = changes(WANTED, replace(FIT, **change))
    assert [item.aspect for item in planned] == [aspect]
    refuse_weaker(planned, allowed=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encryption": "aws:kms"}, "encryption aws:kms would become AES256"),
        ({"lock_mode": "COMPLIANCE"}, "lock COMPLIANCE 14 d would become GOVERNANCE 14 d"),
        ({"lock_days": 30}, "lock GOVERNANCE 30 d would become GOVERNANCE 14 d"),
        ({"rules": ()}, "objects that exist would be deleted after 365 days"),
        ({"rules": tuple(rules(Lifecycle(expire_days=800)))}, "after 365 days instead of 800 days"),
        ({"rules": tuple(rules(Lifecycle(noncurrent_days=90)))}, "old versions that exist would be deleted after 30"),
    ],
)
def test_what_would_be_worse_is_refused_until_it_is_meant(change: dict[str, Any], words: str) -> None:
    planned = changes(WANTED, replace(FIT, **change))
    with pytest.raises(OpsError, match=words):
        refuse_weaker(planned, allowed=False)
    refuse_weaker(planned, allowed=True)


def test_rules_of_others_are_kept() -> None:
    other = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}
    (change,) = changes(WANTED, replace(FIT, empty=True, rules=(other,)))
    assert change.after == [other, *rules(Lifecycle())]


def test_manifests_stay_readable_when_dumps_move_to_glacier() -> None:
    moved, end = rules(Lifecycle(prefix="db1/"))
    assert moved["Filter"]["And"] == {"Prefix": "db1/", "ObjectSizeGreaterThan": LEAST_MOVED_BYTES}
    assert [step["Days"] for step in moved["Transitions"]] == [30, 90]
    assert (end["Filter"], end["Expiration"]["Days"]) == ({"Prefix": "db1/"}, 365)
    assert rules(Lifecycle(infrequent_days=None, glacier_days=None, expire_days=None))[0].get("Expiration") is None


def test_a_service_that_drops_the_size_is_noticed() -> None:
    moved, end = rules(Lifecycle())
    assert not ignores_sizes([moved, end])
    assert ignores_sizes([{**moved, "Filter": {"And": {"Prefix": ""}}}, end])
    assert not ignores_sizes([end])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(kms_key_id="k"), "kms_key_id"),
        (Wanted(lock=True, lock_days=3), "belong together"),
        (Wanted(lock_mode="GOVERNANCE", lock_days=3), "needs object_lock"),
        (Wanted(lifecycle=Lifecycle(infrequent_days=7)), "infrequent_days must be at least 30"),
        (Wanted(lifecycle=Lifecycle(glacier_days=40)), "glacier_days must be at least 60, after infrequent_days 30"),
        (Wanted(lifecycle=Lifecycle(expire_days=90)), "expire_days must be at least 91"),
        (Wanted(lifecycle=Lifecycle(incomplete_days=0)), "at least 1"),
    ],
)
def test_options_that_cannot_be(wanted: Wanted, words: str) -> None:
    with pytest.raises(OpsError, match=words):
        check(wanted)
