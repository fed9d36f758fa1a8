# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points in a bucket of S3, or of a service that speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .._core.aws import error_code, error_text, failures
from .._core.errors import OpsError
from .points import MANIFEST, Point, database_folder, is_point_id
from .settings import S3Destination

MIB = 1024 * 1024
PART = 16 * MIB
IN_FLIGHT = 2
MOST_PARTS = 9000
READ_ATTEMPTS = 6


def part_size(expected: int) -> int:
    """Equal parts, as some services demand; 16 MiB unless the file may need more parts than S3 allows (10,000)."""
    return max(PART, -(-expected // MOST_PARTS // MIB) * MIB)


class S3Storage:
    """``client`` is boto3's, or one that behaves so."""

    def __init__(self, settings: S3Destination, client: Any) -> None:
        self._settings = settings
        self._client = client
        prefix = settings.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def location(self) -> str:
        return f"s3://{self._settings.bucket}/{self._prefix}".rstrip("/")

    def check(self) -> None:
        self._call("bucket cannot be used", self._client.head_bucket)

    def points(self, database: str) -> list[Point]:
        folder = self._prefix + database_folder(database)
        found = []
        for key in self._keys(folder):
            point_id, _unused, file = key[len(folder) :].partition("/")
            if file == MANIFEST and is_point_id(point_id):
                found.append(Point(point_id, database))
        return sorted(found)

    def sink(self, path: str, expected: int) -> MultipartSink:
        key = self._prefix + path
        answer = self._call(
            f"upload of {key} cannot begin", self._client.create_multipart_upload, Key=key, **self._put()
        )
        upload = {"Bucket": self._settings.bucket, "Key": key, "UploadId": answer["UploadId"]}
        return MultipartSink(self._client, upload, part_size(expected), self._fail)

    def write(self, path: str, data: bytes) -> None:
        key = self._prefix + path
        digest = _md5(data)
        self._call(
            f"{key} cannot be written", self._client.put_object, Key=key, Body=data, ContentMD5=digest, **self._put()
        )

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
        key, offset, attempts = self._prefix + path, 0, READ_ATTEMPTS
        while True:
            at = {"Range": f"bytes={offset}-"} if offset else {}
            answer = self._call(f"{key} cannot be read", self._client.get_object, Key=key, **at)
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
        folder = self._prefix + point.folder
        keys = sorted(self._keys(folder), key=lambda key: not key.endswith("/" + MANIFEST))
        for key in keys:
            self._call(f"{key} cannot be removed", self._client.delete_object, Key=key)

    def sweep(self, database: str, orphan: Callable[[Point], bool]) -> list[str]:
        folder = self._prefix + database_folder(database)
        removed = []
        for upload in self._uploads(folder):
            point_id = upload["Key"][len(folder) :].split("/", maxsplit=1)[0]
            if is_point_id(point_id) and orphan(Point(point_id, database)):
                aborting = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                self._call("an unfinished upload cannot be aborted", self._client.abort_multipart_upload, **aborting)
                removed.append(f"upload {upload['Key']}")
        whole = {point.id for point in self.points(database)}
        for key in self._keys(folder):
            point_id = key[len(folder) :].split("/", maxsplit=1)[0]
            if is_point_id(point_id) and point_id not in whole and orphan(Point(point_id, database)):
                self._call(f"{key} cannot be removed", self._client.delete_object, Key=key)
                removed.append(key)
        return removed

    def _keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._settings.bucket, Prefix=prefix)
        try:
            return [item["Key"] for page in pages for item in page.get("Contents", [])]
        except failures() as error:
            raise self._fail("bucket cannot be listed", error) from None

    def _uploads(self, prefix: str) -> list[dict[str, Any]]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._settings.bucket, Prefix=prefix
        )
        try:
            return [item for page in pages for item in page.get("Uploads", [])]
        except failures() as error:
            raise self._fail("unfinished uploads cannot be listed", error) from None

    def _put(self) -> dict[str, str]:
        wanted = {
            "ServerSideEncryption": self._settings.server_side_encryption,
            "SSEKMSKeyId": self._settings.kms_key_id,
            "StorageClass": self._settings.storage_class,
        }
        return {key: value for key, value in wanted.items() if value}

    def _call(self, what: str, method: Callable[..., Any], **parameters: Any) -> Any:
        try:
            return method(Bucket=self._settings.bucket, **parameters)
        except failures() as error:
            raise self._fail(what, error) from None

    def _fail(self, what: str, error: BaseException) -> OpsError:
        return OpsError(f"{self.location}: {what}: {error_text(error)} (destination s3)")


class MultipartSink:
    """One object in parts, at most IN_FLIGHT of them on the wire and one being filled."""

    def __init__(
        self, client: Any, upload: dict[str, str], size: int, fail: Callable[[str, BaseException], OpsError]
    ) -> None:
        self._client = client
        self._upload = upload
        self._size = size
        self._fail = fail
        self._buffer = bytearray()
        self._total = 0
        self._parts: list[Future[dict[str, Any]]] = []
        self._slots = threading.BoundedSemaphore(IN_FLIGHT)
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="keelson-part")
        self._open = True

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        self._total += len(block)
        while view:
            room = self._size - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == self._size:
                self._send()

    def finish(self) -> None:
        if self._buffer or not self._parts:
            self._send()
        parts = [self._result(part) for part in self._parts]
        try:
            self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": parts})
            self._open = False
            where = {name: self._upload[name] for name in ("Bucket", "Key")}
            stored = int(self._client.head_object(**where)["ContentLength"])
        except failures() as error:
            raise self._fail(f"upload of {self._upload['Key']} cannot be completed", error) from None
        finally:
            self._pool.shutdown(wait=True)
        if stored != self._total:
            raise OpsError(
                f"{self._upload['Key']}: {stored} bytes are stored, {self._total} were sent (destination s3)"
            )

    def abort(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if not self._open:
            return
        self._open = False
        try:
            self._client.abort_multipart_upload(**self._upload)
        except failures() as error:
            if error_code(error) != "NoSuchUpload":
                raise self._fail(f"upload of {self._upload['Key']} cannot be aborted", error) from None

    def _send(self) -> None:
        for done in [part for part in self._parts if part.done()]:
            self._result(done)
        self._slots.acquire()
        body, self._buffer = self._buffer, bytearray()
        self._parts.append(self._pool.submit(self._upload_part, len(self._parts) + 1, body))

    def _upload_part(self, number: int, body: bytearray) -> dict[str, Any]:
        try:
            answer = self._client.upload_part(**self._upload, PartNumber=number, Body=body, ContentMD5=_md5(body))
            return {"PartNumber": number, "ETag": answer["ETag"]}
        finally:
            self._slots.release()

    def _result(self, part: Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            return part.result()
        except failures() as error:
            raise self._fail(f"a part of {self._upload['Key']} cannot be uploaded", error) from None


def _md5(data: bytes | bytearray) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
