# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket of S3, read and changed through boto3's client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core.aws import error_code, error_text, failures
from .._core.errors import OpsError
from .plan import CLASSES_RULE, PUBLIC_BLOCKS, Change, Observed, ignores_sizes

_ABSENT = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "NoSuchLifecycleConfiguration",
        "ObjectLockConfigurationNotFoundError",
    }
)


class S3Bucket:
    """One bucket. Its methods raise OpsError."""

    def __init__(self, client: Any, name: str, region: str) -> None:
        self._client = client
        self._name = name
        self._region = region

    def observe(self, *, public_blocks: bool) -> Observed:
        """What the bucket is like. ``public_blocks`` are not asked for where the service may not know them."""
        if self._get("head_bucket") is None:
            return Observed()
        encryption = self._get("get_bucket_encryption") or {}
        rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
        default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
        blocks = (self._get("get_public_access_block") if public_blocks else None) or {}
        flags = blocks.get("PublicAccessBlockConfiguration", {})
        lock = (self._get("get_object_lock_configuration") or {}).get("ObjectLockConfiguration", {})
        retention = lock.get("Rule", {}).get("DefaultRetention", {})
        days = retention.get("Days", 365 * retention["Years"] if "Years" in retention else None)
        return Observed(
            exists=True,
            empty=not (self._get("list_objects_v2", MaxKeys=1) or {}).get("KeyCount"),
            versioning=(self._get("get_bucket_versioning") or {}).get("Status"),
            public_blocks=frozenset(name for name in PUBLIC_BLOCKS if flags.get(name)),
            encryption=default.get("SSEAlgorithm"),
            kms_key_id=default.get("KMSMasterKeyID"),
            rules=tuple((self._get("get_bucket_lifecycle_configuration") or {}).get("Rules", ())),
            lock=lock.get("ObjectLockEnabled") == "Enabled",
            lock_mode=retention.get("Mode"),
            lock_days=days,
        )

    def apply(self, change: Change, wanted_lock: Mapping[str, Any]) -> None:
        """Carry out one change of the plan."""
        actions: dict[str, Callable[[Change], None]] = {
            "bucket": self._create,
            "versioning": lambda change: self._put(
                "put_bucket_versioning", VersioningConfiguration={"Status": change.after}
            ),
            "public_access_block": lambda change: self._put(
                "put_public_access_block", PublicAccessBlockConfiguration=dict.fromkeys(change.after, True)
            ),
            "encryption": self._encrypt,
            "object_lock": lambda change: self._lock({}),
            "retention": lambda change: self._lock(wanted_lock),
            "lifecycle": lambda change: self._set_rules(change.after),
        }
        actions[change.aspect](change)

    def _create(self, change: Change) -> None:
        options: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if change.after == "with object lock" else {}
        if self._region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        try:
            self._client.create_bucket(Bucket=self._name, **options)
        except failures() as error:
            # Another host of the same play was quicker.
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise self._fail("create_bucket", error) from None

    def _encrypt(self, change: Change) -> None:
        default = {"SSEAlgorithm": change.after["algorithm"]}
        if change.after["key"]:
            default["KMSMasterKeyID"] = change.after["key"]
        # A bucket key saves most requests to KMS, and has no meaning without it.
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": default["SSEAlgorithm"] != "AES256"}
        self._put("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": [rule]})

    def _lock(self, retention: Mapping[str, Any]) -> None:
        configuration: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
        if retention:
            configuration["Rule"] = {"DefaultRetention": dict(retention)}
        self._put("put_object_lock_configuration", ObjectLockConfiguration=configuration)

    def _set_rules(self, rules: Sequence[Mapping[str, Any]]) -> None:
        self._put("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": list(rules)})
        stored = (self._get("get_bucket_lifecycle_configuration") or {}).get("Rules", ())
        if ignores_sizes(stored):
            kept = [rule for rule in rules if rule.get("ID") != CLASSES_RULE]
            self._put("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": kept})
            raise OpsError(
                f"bucket {self._name}: this service ignores sizes in life-cycle rules, so it would move manifests to "
                "an archive too, and restore points could not be listed; that rule was taken back. Set "
                "infrequent_days and glacier_days to 0 (option lifecycle)"
            )

    def _get(self, method: str, **parameters: Any) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = getattr(self._client, method)(Bucket=self._name, **parameters)
        except failures() as error:
            if error_code(error) in _ABSENT:
                return None
            raise self._fail(method, error) from None
        return answer

    def _put(self, method: str, **parameters: Any) -> None:
        try:
            getattr(self._client, method)(Bucket=self._name, **parameters)
        except failures() as error:
            raise self._fail(method, error) from None

    def _fail(self, method: str, error: BaseException) -> OpsError:
        return OpsError(f"bucket {self._name}: {method}: {error_text(error)}")
