# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a bucket fit for backups, and what is missing of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OpsError

PUBLIC_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
CLASSES_RULE, END_RULE = "keelson-backups-classes", "keelson-backups-end"
# Manifests must stay where they can be read at once; they are smaller than this, and so cost nothing to speak of.
LEAST_MOVED_BYTES = 1024 * 1024
_STRENGTH = {None: 0, "AES256": 1, "aws:kms": 2, "aws:kms:dsse": 3}
_LOCK_STRENGTH = {None: 0, "GOVERNANCE": 1, "COMPLIANCE": 2}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Ages in days after which objects below ``prefix`` move to a cheaper class or are deleted; None for never."""

    prefix: str = ""
    infrequent_days: int | None = 30
    glacier_days: int | None = 90
    expire_days: int | None = 365
    noncurrent_days: int = 30
    incomplete_days: int = 7


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options ask for. With ``lock``, objects can be locked, for ``lock_days`` when an upload doesn't say."""

    block_public: bool = True
    encryption: str = "AES256"
    kms_key_id: str | None = None
    lifecycle: Lifecycle | None = None
    lock: bool = False
    lock_mode: str | None = None
    lock_days: int | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """A bucket as it is."""

    exists: bool = False
    empty: bool = True
    versioning: str | None = None
    public_blocks: frozenset[str] = frozenset()
    encryption: str | None = None
    kms_key_id: str | None = None
    rules: tuple[Mapping[str, Any], ...] = ()
    lock: bool = False
    lock_mode: str | None = None
    lock_days: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One request. ``weakens`` says what would be less safe than it is; empty when nothing is."""

    aspect: str
    before: Any
    after: Any
    weakens: str = ""


def check(wanted: Wanted) -> None:
    """Raises OpsError naming the option that can't be."""
    if wanted.kms_key_id and wanted.encryption != "aws:kms":
        raise OpsError("kms_key_id is only for server_side_encryption aws:kms")
    if (wanted.lock_mode is None) != (wanted.lock_days is None):
        raise OpsError("object_lock_mode and object_lock_days belong together")
    if wanted.lock_mode and not wanted.lock:
        raise OpsError("object_lock_mode needs object_lock")
    if wanted.lifecycle is not None:
        _check_lifecycle(wanted.lifecycle)


def _check_lifecycle(rule: Lifecycle) -> None:
    if rule.infrequent_days is not None and rule.infrequent_days < 30:
        raise OpsError("lifecycle: infrequent_days must be at least 30, S3 allows no less")
    steps = [("infrequent_days", rule.infrequent_days, 30), ("glacier_days", rule.glacier_days, 1)]
    least, after = 1, ""
    for name, days, stay in [*steps, ("expire_days", rule.expire_days, 0)]:
        if days is not None:
            if days < least:
                raise OpsError(f"lifecycle: {name} must be at least {least}{after}")
            least, after = days + stay, f", after {name} {days}"
    if min(rule.noncurrent_days, rule.incomplete_days) < 1:
        raise OpsError("lifecycle: noncurrent_days and incomplete_days must be at least 1")


def changes(wanted: Wanted, observed: Observed) -> list[Change]:
    """What is to be done, in that order. What is stronger than asked for, or not asked for, stays."""
    found = []
    if not observed.exists:
        found.append(Change("bucket", "absent", "with object lock" if wanted.lock else "present"))
    if observed.versioning != "Enabled" and not (wanted.lock and not observed.exists):
        found.append(Change("versioning", observed.versioning, "Enabled"))
    missing = [name for name in PUBLIC_BLOCKS if name not in observed.public_blocks]
    if wanted.block_public and missing:
        found.append(Change("public_access_block", sorted(observed.public_blocks), sorted(PUBLIC_BLOCKS)))
    found += _encryption(wanted, observed)
    found += _lock(wanted, observed)
    found += _lifecycle(wanted.lifecycle, observed)
    return found


def refuse_weaker(planned: Sequence[Change], *, allowed: bool) -> None:
    """Raises OpsError when something would be less safe than it is and nobody said that this is meant."""
    worse = [change.weakens for change in planned if change.weakens]
    if worse and not allowed:
        raise OpsError(
            f"the bucket would be less safe than it is: {'; '.join(worse)}. Nothing was changed. Ask for what it has, "
            "or say that this is meant (option allow_weaker)",
            weaker=worse,
        )


def _encryption(wanted: Wanted, observed: Observed) -> list[Change]:
    before = {"algorithm": observed.encryption, "key": observed.kms_key_id}
    after = {"algorithm": wanted.encryption, "key": wanted.kms_key_id}
    same_key = wanted.kms_key_id in (None, observed.kms_key_id)
    if observed.encryption == wanted.encryption and same_key:
        return []
    weaker = _STRENGTH.get(observed.encryption, 3) > _STRENGTH[wanted.encryption]
    text = f"encryption {observed.encryption} would become {wanted.encryption}" if weaker else ""
    return [Change("encryption", before, after, text)]


def _lock(wanted: Wanted, observed: Observed) -> list[Change]:
    found = []
    if wanted.lock and observed.exists and not observed.lock:
        found.append(Change("object_lock", "off", "on"))
    if wanted.lock_mode and (wanted.lock_mode, wanted.lock_days) != (observed.lock_mode, observed.lock_days):
        before = f"{observed.lock_mode} {observed.lock_days} d" if observed.lock_mode else "none"
        after = f"{wanted.lock_mode} {wanted.lock_days} d"
        weaker = _LOCK_STRENGTH[observed.lock_mode] > _LOCK_STRENGTH[wanted.lock_mode]
        weaker = weaker or (observed.lock_days or 0) > (wanted.lock_days or 0)
        found.append(Change("retention", before, after, f"lock {before} would become {after}" if weaker else ""))
    return found


def _lifecycle(wanted: Lifecycle | None, observed: Observed) -> list[Change]:
    if wanted is None:
        return []
    ours = rules(wanted)
    names = {CLASSES_RULE, END_RULE}
    before = [dict(rule) for rule in observed.rules if rule.get("ID") in names]
    if sorted(before, key=_name) == sorted(ours, key=_name):
        return []
    others = [dict(rule) for rule in observed.rules if rule.get("ID") not in names]
    return [Change("lifecycle", before, [*others, *ours], _sooner(before, ours, observed))]


def _name(rule: Mapping[str, Any]) -> str:
    return str(rule.get("ID"))


def _sooner(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], observed: Observed) -> str:
    if observed.empty:
        return ""
    texts = []
    for label, kind, key in (
        ("objects", "Expiration", "Days"),
        ("old versions", "NoncurrentVersionExpiration", "NoncurrentDays"),
    ):
        old, new = ([r[kind][key] for r in rules if key in r.get(kind, {})] for rules in (before, after))
        if new and (not old or min(new) < min(old)):
            told = f"{min(old)} days" if old else "no age that this module set"
            texts.append(f"{label} that exist would be deleted after {min(new)} days instead of {told}")
    return ", ".join(texts)


def rules(wanted: Lifecycle) -> list[dict[str, Any]]:
    """The rules as S3's API has them."""
    found: list[dict[str, Any]] = []
    classes = (("STANDARD_IA", wanted.infrequent_days), ("GLACIER", wanted.glacier_days))
    transitions = [{"Days": days, "StorageClass": name} for name, days in classes if days is not None]
    if transitions:
        large = {"Prefix": wanted.prefix, "ObjectSizeGreaterThan": LEAST_MOVED_BYTES}
        moved = {"ID": CLASSES_RULE, "Status": "Enabled", "Filter": {"And": large}, "Transitions": transitions}
        found.append(moved)
    end: dict[str, Any] = {
        "ID": END_RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": wanted.prefix},
        "NoncurrentVersionExpiration": {"NoncurrentDays": wanted.noncurrent_days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": wanted.incomplete_days},
    }
    if wanted.expire_days is not None:
        end["Expiration"] = {"Days": wanted.expire_days}
    return [*found, end]


def ignores_sizes(stored: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the service has dropped, from the rules as it tells them, what keeps manifests where they are."""
    moved = [rule for rule in stored if rule.get("ID") == CLASSES_RULE]
    return any("ObjectSizeGreaterThan" not in rule.get("Filter", {}).get("And", {}) for rule in moved)
