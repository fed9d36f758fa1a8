# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects go up in equal parts, a few at once, and complete only when all of them did."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.s3_storage import MIB, part_size
from ansible_collections.keelson.ops.plugins.module_utils._backup.s3_upload import MultipartSink
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

UPLOAD = {"Bucket": "b", "Key": "k", "UploadId": "u"}


class Store:
    """Behaves as boto3's client does for one upload."""

    def __init__(self, lost: int = 0) -> None:
        self.parts: dict[int, bytes] = {}
        self.completed: list[int] = []
        self.under_way = self.most_under_way = 0
        self._lost = lost
        self._lock = threading.Lock()

    def upload_part(self, *, PartNumber: int, Body: Any, **_others: Any) -> dict[str, str]:  # noqa: N803
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        data = Body.read()
        with self._lock:
            self.parts[PartNumber] = data
            self.under_way -= 1
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, *, MultipartUpload: Any, **_others: Any) -> None:  # noqa: N803
        self.completed = [part["PartNumber"] for part in MultipartUpload["Parts"]]

    def head_object(self, **_others: Any) -> dict[str, int]:
        return {"ContentLength": sum(map(len, self.parts.values())) - self._lost}


def sink(store: Store, size: int = 10) -> MultipartSink:
    return MultipartSink(store, UPLOAD, size, lambda what, error: OpsError(what))


@pytest.mark.parametrize(
    ("expected", "mebibytes"), [(0, 16), (16 * MIB * 9000, 16), (200 * 10**9, 22), (5 * 1024**4, 583)]
)
def test_parts_grow_only_for_what_would_need_too_many(expected: int, mebibytes: int) -> None:
    assert part_size(expected) == mebibytes * MIB
    assert expected <= part_size(expected) * 10_000


@pytest.mark.parametrize("block", [1, 3, 10, 64])
def test_all_parts_but_the_last_are_equal_however_the_data_comes(block: int) -> None:
    store, data = Store(), bytes(range(64))
    up = sink(store)
    for at in range(0, len(data), block):
        up.write(data[at : at + block])
    up.finish()
    assert [len(store.parts[number]) for number in store.completed] == [10, 10, 10, 10, 10, 10, 4]
    assert b"".join(store.parts[number] for number in store.completed) == data
    assert store.most_under_way <= 2


def test_nothing_is_one_empty_part() -> None:
    store = Store()
    sink(store).finish()
    assert (store.completed, store.parts) == ([1], {1: b""})


def test_an_object_that_is_shorter_than_what_was_sent_is_told() -> None:
    up = sink(Store(lost=1))
    up.write(b"12345")
    with pytest.raises(OpsError, match="4 bytes are stored, 5 were sent"):
        up.finish()
