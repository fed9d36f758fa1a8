# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points in a bucket of S3, or of a service that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from .._core.aws import error_code, error_text, failures
from .._core.clock import Clock, SystemClock
from .._core.errors import OpsError
from .points import MANIFEST, Point, database_folder, is_point_id
from .s3_upload import MIB, PART, MultipartSink, md5
from .settings import S3Destination
from .storage import FileMissingError

MOST_PARTS = 9000
READ_ATTEMPTS = 6
_ARCHIVED = (
    "; it is in an archive class such as GLACIER: ask for it with aws s3api restore-object, and wait until it is back"
)


def part_size(expected: int) -> int:
    """Equal parts, as some services demand; 16 MiB unless the file may need more parts than S3 allows (10,000)."""
    return max(PART, -(-expected // MOST_PARTS // MIB) * MIB)


class S3Storage:
    """``client`` is boto3's, or one that behaves so."""

    def __init__(self, settings: S3Destination, client: Any, clock: Clock | None = None) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock or SystemClock()
        prefix = settings.prefix.strip("/")
        self.prefix = f"{prefix}/" if prefix else ""

    @property
    def location(self) -> str:
        return f"s3://{self._settings.bucket}/{self.prefix}".rstrip("/")

    def check(self) -> None:
        self.call("bucket cannot be used", "head_bucket")

    def points(self, database: str) -> list[Point]:
        folder = self.prefix + database_folder(database)
        found = []
        for key in self._keys(folder):
            point_id, _unused, file = key[len(folder) :].partition("/")
            if file == MANIFEST and is_point_id(point_id):
                found.append(Point(point_id, database))
        return sorted(found)

    def sink(self, path: str, expected: int) -> MultipartSink:
        key = self.prefix + path
        options = self._put()
        answer = self.call(f"upload of {key} cannot begin", "create_multipart_upload", Key=key, **options)
        upload = {"Bucket": self._settings.bucket, "Key": key, "UploadId": answer["UploadId"]}
        return MultipartSink(self._client, upload, part_size(expected), self._fail, _retention(options))

    def write(self, path: str, data: bytes) -> None:
        key = self.prefix + path
        digest = md5(data)
        options = self._put(small=True)
        self.call(f"{key} cannot be written", "put_object", Key=key, Body=data, ContentMD5=digest, **options)

    def publish(self, path: str, data: bytes) -> None:
        # boto3 older than 1.35 does not know the parameter IfNoneMatch; the header does the same.
        def only_new(params: dict[str, Any], **_unused: Any) -> None:
            params["headers"]["If-None-Match"] = "*"

        self._client.meta.events.register_first("before-call.s3.PutObject", only_new)
        try:
            self.write(path, data)
        finally:
            self._client.meta.events.unregister("before-call.s3.PutObject", only_new)

    def read(self, path: str) -> Iterator[bytes]:
        key, offset, attempts = self.prefix + path, 0, READ_ATTEMPTS
        while True:
            at = {"Range": f"bytes={offset}-"} if offset else {}
            answer = self.call(f"{key} cannot be read", "get_object", Key=key, **at)
            total = offset + int(answer["ContentLength"])
            try:
                while block := answer["Body"].read(MIB):
                    offset += len(block)
                    yield block
            except failures() as error:
                attempts -= 1
                if attempts == 0:
                    raise self._fail(f"{key} cannot be read beyond byte {offset}", error) from None
                continue
            if offset >= total:
                return

    def remove(self, point: Point) -> None:
        folder = self.prefix + point.folder
        keys = sorted(self._keys(folder), key=lambda key: not key.endswith("/" + MANIFEST))
        for key in keys:
            self.call(f"{key} cannot be removed", "delete_object", Key=key)

    def sweep(self, database: str, orphan: Callable[[Point], bool]) -> list[str]:
        folder = self.prefix + database_folder(database)
        removed = []
        for upload in self._uploads(folder):
            point_id = upload["Key"][len(folder) :].split("/", maxsplit=1)[0]
            if is_point_id(point_id) and orphan(Point(point_id, database)):
                aborting = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                self.call("an unfinished upload cannot be aborted", "abort_multipart_upload", **aborting)
                removed.append(f"upload {upload['Key']}")
        whole = {point.id for point in self.points(database)}
        for key in self._keys(folder):
            point_id = key[len(folder) :].split("/", maxsplit=1)[0]
            if is_point_id(point_id) and point_id not in whole and orphan(Point(point_id, database)):
                self.call(f"{key} cannot be removed", "delete_object", Key=key)
                removed.append(key)
        return removed

    def pages(self, method: str, prefix: str) -> list[dict[str, Any]]:
        """All pages of a listing below ``prefix``. Raises OpsError."""
        found = self._client.get_paginator(method).paginate(Bucket=self._settings.bucket, Prefix=prefix)
        try:
            return list(found)
        except failures() as error:
            raise self._fail(f"bucket cannot be listed ({method})", error) from None

    def copy_version(self, key: str, version: str) -> None:
        """Make an earlier version of an object the present one, by a copy on the service. Raises OpsError."""
        source = {"Bucket": self._settings.bucket, "Key": key, "VersionId": version}
        try:
            small = key.endswith(f"/{MANIFEST}")
            self._client.copy(source, self._settings.bucket, key, ExtraArgs=self._put(small=small))
        except failures() as error:
            raise self._fail(f"{key} cannot be brought back", error) from None

    def _keys(self, prefix: str) -> list[str]:
        return [item["Key"] for page in self.pages("list_objects_v2", prefix) for item in page.get("Contents", [])]

    def _uploads(self, prefix: str) -> list[dict[str, Any]]:
        return [item for page in self.pages("list_multipart_uploads", prefix) for item in page.get("Uploads", [])]

    def _put(self, *, small: bool = False) -> dict[str, Any]:
        """Options of an object. Manifests have to be readable at any time, so no class that archives is for them."""
        days = self._settings.object_lock_days
        wanted = {
            "ObjectLockMode": self._settings.object_lock_mode,
            "ObjectLockRetainUntilDate": self._clock.now() + timedelta(days=days) if days else None,
            "ServerSideEncryption": self._settings.server_side_encryption,
            "SSEKMSKeyId": self._settings.kms_key_id,
            "StorageClass": None if small else self._settings.storage_class,
        }
        return {key: value for key, value in wanted.items() if value}

    def call(self, what: str, method: str, **parameters: Any) -> Any:
        """A request about the bucket; ``what`` is told when it fails. Raises OpsError."""
        try:
            return getattr(self._client, method)(Bucket=self._settings.bucket, **parameters)
        except failures() as error:
            raise self._fail(what, error) from None

    def _fail(self, what: str, error: BaseException) -> OpsError:
        if error_code(error) == "NoSuchKey":
            return FileMissingError(f"{self.location}: {what}: it is missing (destination s3)")
        hint = _ARCHIVED if error_code(error) == "InvalidObjectState" else ""
        return OpsError(f"{self.location}: {what}: {error_text(error)}{hint} (destination s3)")


def _retention(options: dict[str, Any]) -> dict[str, Any] | None:
    if "ObjectLockMode" not in options:
        return None
    return {"Mode": options["ObjectLockMode"], "RetainUntilDate": options["ObjectLockRetainUntilDate"]}
