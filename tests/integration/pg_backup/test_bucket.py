# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket made for backups: what it gets, what it keeps, and what its versions and locks are good for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying

from .conftest import SECRET_KEY, Bucket, Place
from .test_ansible import module

NAME = "vault"
# The test server ignores sizes in rules, as the module finds out.
LIFECYCLE = {"infrequent_days": 0, "glacier_days": 0, "expire_days": 365, "noncurrent_days": 60}


@pytest.fixture
def options(bucket: Bucket, place: Place) -> dict[str, Any]:
    """Of the module, for a bucket that does not exist yet."""
    return {
        "name": f"{NAME}-{abs(hash(place.prefix)) % 10**8}",
        "endpoint_url": bucket.proxy.url,
        "access_key": "AKIATEST",
        "secret_key": SECRET_KEY,
    }


def bucket_module(place: Place, options: dict[str, Any], *flags: str, **more: Any) -> dict[str, Any]:
    result, text = module("s3_backup_bucket", {**options, **more}, *flags, folder=place.folder)
    assert SECRET_KEY not in text
    return result


def test_a_bucket_is_made_once_and_never_made_worse_silently(
    bucket: Bucket, place: Place, options: dict[str, Any]
) -> None:
    wanted = {"lifecycle": LIFECYCLE, "server_side_encryption": "aws:kms"}
    wanted |= {"object_lock": True, "object_lock_mode": "GOVERNANCE", "object_lock_days": 7}
    told = bucket_module(place, options, "--check", "--diff", **wanted)
    assert (told["changed"], told["changes"][0]["aspect"]) == (True, "bucket")
    names = {item["Name"] for item in bucket.client.list_buckets()["Buckets"]}
    assert options["name"] not in names

    assert bucket_module(place, options, **wanted)["changed"]
    assert not bucket_module(place, options, **wanted)["changed"]
    where = {"Bucket": options["name"]}
    assert bucket.client.get_bucket_versioning(**where)["Status"] == "Enabled"
    blocks = bucket.client.get_public_access_block(**where)["PublicAccessBlockConfiguration"]
    assert (len(blocks), set(blocks.values())) == (4, {True})

    bucket.client.put_object(**where, Key="x", Body=b"x")
    shorter = {**LIFECYCLE, "expire_days": 200}
    weaker = bucket_module(place, options, **{**wanted, "server_side_encryption": "AES256", "lifecycle": shorter})
    assert "encryption aws:kms would become AES256" in weaker["msg"]
    assert "after 200 days instead of 365 days" in weaker["msg"]
    rules = bucket.client.get_bucket_lifecycle_configuration(**where)["Rules"]
    assert {rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule} == {365}
    assert bucket_module(place, options, **{**wanted, "lifecycle": shorter}, allow_weaker=True)["changed"]


def test_manifests_are_not_moved_to_an_archive_by_a_service_without_sizes(
    bucket: Bucket, place: Place, options: dict[str, Any]
) -> None:
    refused = bucket_module(place, options, lifecycle={})
    assert "ignores sizes in life-cycle rules" in refused["msg"]
    rules = bucket.client.get_bucket_lifecycle_configuration(Bucket=options["name"])["Rules"]
    assert [rule.get("Transitions") for rule in rules] == [None]


def in_versioned_bucket(bucket: Bucket, place: Place, options: dict[str, Any], **more: Any) -> None:
    bucket_module(place, options, object_lock=True)
    store = {**place.options["destinations"][1], "bucket": options["name"], **more}
    place.options["destinations"] = [store]


def test_a_deleted_and_an_overwritten_backup_come_back(bucket: Bucket, place: Place, options: dict[str, Any]) -> None:
    in_versioned_bucket(bucket, place, options)
    deleted, overwritten = (taking.take(place.open())[0].manifest for _ in range(2))
    assert deleted is not None
    assert overwritten is not None
    name = options["name"]
    for item in bucket.client.list_objects_v2(Bucket=name, Prefix=f"{place.prefix}/shop/{deleted.id}/")["Contents"]:
        bucket.client.delete_object(Bucket=name, Key=item["Key"])
    key = f"{place.prefix}/shop/{overwritten.id}/dump.zst"
    bucket.client.put_object(Bucket=name, Key=key, Body=b"gone")
    backup = place.open()
    (checked,) = verifying.verify(backup, verifying.select(backup, ["shop"], overwritten.id), "hash", remember=False)
    assert checked.damaged

    listed = json.loads(place.cli("versions", "--json").stdout)["points"]
    assert {item["id"]: item["state"] for item in listed} == {deleted.id: "deleted", overwritten.id: "overwritten"}
    told = place.cli("undelete", "--point", deleted.id, "--check")
    assert b"would be brought back" in told.stdout
    assert len(verifying.list_points(backup)) == 1
    for manifest in (deleted, overwritten):
        back = place.cli("undelete", "--point", manifest.id)
        assert back.returncode == 0, back.stderr
    checked_all = verifying.verify(backup, verifying.select(backup, ["shop"], "all"), "read")
    assert [(item.listed.point.id, item.fault) for item in checked_all] == [(overwritten.id, None), (deleted.id, None)]
    unknown = place.cli("undelete", "--point", "20200101T000000Z-00000000")
    assert (unknown.returncode, b"no destination has versions" in unknown.stderr) == (1, True)


def test_locked_objects_are_only_hidden_by_retention(bucket: Bucket, place: Place, options: dict[str, Any]) -> None:
    in_versioned_bucket(bucket, place, options, object_lock_mode="COMPLIANCE", object_lock_days=3)
    first = taking.take(place.open(retention={"days": 0, "min_keep": 1}))[0].manifest
    assert first is not None
    name, folder = options["name"], f"{place.prefix}/shop/{first.id}/"
    for file in ("dump.zst", "globals.sql.zst", "manifest.json"):
        head = bucket.client.head_object(Bucket=name, Key=folder + file)
        kept = (head["ObjectLockRetainUntilDate"] - head["LastModified"]).total_seconds()
        assert (head["ObjectLockMode"], round(kept / 86400)) == ("COMPLIANCE", 3)
    taking.take(place.open(retention={"days": 0, "min_keep": 1}))
    assert first.id not in {item.point.id for item in verifying.list_points(place.open())}
    versions = bucket.client.list_object_versions(Bucket=name, Prefix=folder)["Versions"]
    assert len(versions) == 3
    with pytest.raises(bucket.client.exceptions.ClientError, match="AccessDenied"):
        bucket.client.delete_object(Bucket=name, Key=versions[0]["Key"], VersionId=versions[0]["VersionId"])
