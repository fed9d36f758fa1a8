# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One object on its way to a bucket, in equal parts."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .._core.aws import error_code, failures
from .._core.errors import OpsError

MIB = 1024 * 1024
PART = 16 * MIB
IN_FLIGHT = 2


class _InterruptedUpload(BaseException):
    """Not an Exception: the client would try the request again."""


class _Body(io.RawIOBase):
    """A part as the client reads it, until told to stop."""

    def __init__(self, data: bytearray, interrupted: threading.Event) -> None:
        self._view = memoryview(data)
        self._interrupted = interrupted
        self._at = 0

    def __len__(self) -> int:
        return len(self._view)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._interrupted.is_set():
            raise _InterruptedUpload
        end = len(self._view) if size < 0 else self._at + size
        block = bytes(self._view[self._at : end])
        self._at += len(block)
        return block


class MultipartSink:
    """One object in parts, at most IN_FLIGHT of them on the wire and one being filled."""

    def __init__(
        self,
        client: Any,
        upload: dict[str, str],
        size: int,
        fail: Callable[[str, BaseException], OpsError],
        retention: dict[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._upload = upload
        self._size = size
        self._fail = fail
        self._retention = retention
        self._buffer = bytearray()
        self._total = 0
        self._parts: list[Future[dict[str, Any]]] = []
        self._slots = threading.BoundedSemaphore(IN_FLIGHT)
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="keelson-part")
        self._interrupted = threading.Event()
        self._open = True

    def interrupt(self) -> None:
        self._interrupted.set()

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
            found = self._client.head_object(**where)
            stored = int(found["ContentLength"])
            if self._retention and found.get("ObjectLockMode") != self._retention["Mode"]:
                # Some services don't take it with the upload.
                self._client.put_object_retention(**where, Retention=self._retention)
        except failures() as error:
            raise self._fail(f"upload of {self._upload['Key']} cannot be completed", error) from None
        finally:
            self._pool.shutdown(wait=True)
        if stored != self._total:
            raise OpsError(
                f"{self._upload['Key']}: {stored} bytes are stored, {self._total} were sent (destination s3)"
            )

    def abort(self) -> None:
        self._interrupted.set()
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

    def _upload_part(self, number: int, data: bytearray) -> dict[str, Any]:
        try:
            body = _Body(data, self._interrupted)
            answer = self._client.upload_part(**self._upload, PartNumber=number, Body=body, ContentMD5=md5(data))
            return {"PartNumber": number, "ETag": answer["ETag"]}
        finally:
            self._slots.release()

    def _result(self, part: Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            return part.result()
        except _InterruptedUpload:
            raise OpsError(f"upload of {self._upload['Key']} was interrupted (destination s3)") from None
        except failures() as error:
            raise self._fail(f"a part of {self._upload['Key']} cannot be uploaded", error) from None


def md5(data: bytes | bytearray) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
