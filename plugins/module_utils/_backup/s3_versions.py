# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points that were deleted or overwritten in a versioned bucket, and bringing them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._core.errors import OpsError
from .points import MANIFEST, Point, database_folder, is_point_id
from .s3_storage import S3Storage


@dataclass(frozen=True, slots=True)
class ObjectHistory:
    """An object's versions, oldest first. Every key is written once by us, so the first one is the true one."""

    key: str
    versions: tuple[str, ...]
    markers: tuple[str, ...]
    deleted: bool
    bytes: int
    changed_at: datetime

    @property
    def state(self) -> str:
        if self.deleted:
            return "deleted"
        return "overwritten" if len(self.versions) > 1 else "present"


@dataclass(frozen=True, slots=True)
class LostPoint:
    """A point of which something was deleted or overwritten, last at ``changed_at``."""

    storage: S3Storage
    point: Point
    objects: tuple[ObjectHistory, ...]

    @property
    def state(self) -> str:
        states = {item.state for item in self.objects}
        return "overwritten" if "overwritten" in states else "deleted"

    @property
    def changed_at(self) -> datetime:
        return max(item.changed_at for item in self.objects)

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.objects)


def histories(pages: Iterable[Mapping[str, Any]]) -> list[ObjectHistory]:
    """Objects from the pages that list_object_versions answers with. Pure."""
    versions: dict[str, list[Mapping[str, Any]]] = {}
    markers: dict[str, list[Mapping[str, Any]]] = {}
    for page in pages:
        for kind, found in (("Versions", versions), ("DeleteMarkers", markers)):
            for item in page.get(kind, []):
                found.setdefault(item["Key"], []).append(item)
    return [_history(key, versions[key], markers.get(key, [])) for key in sorted(versions)]


def _history(key: str, versions: list[Mapping[str, Any]], markers: list[Mapping[str, Any]]) -> ObjectHistory:
    # The service lists each key newest first; times have only a second's precision.
    oldest_first = versions[::-1]
    return ObjectHistory(
        key=key,
        versions=tuple(item["VersionId"] for item in oldest_first),
        markers=tuple(item["VersionId"] for item in markers),
        deleted=any(item.get("IsLatest") for item in markers),
        bytes=int(oldest_first[0].get("Size", 0)),
        changed_at=max(item["LastModified"] for item in [*versions, *markers]).astimezone(timezone.utc),
    )


def lost_points(storage: S3Storage, database: str) -> list[LostPoint]:
    """What could be brought back, newest point first; unfinished ones, without a manifest, never could."""
    folder = storage.prefix + database_folder(database)
    found: dict[str, list[ObjectHistory]] = {}
    for history in histories(storage.pages("list_object_versions", folder)):
        point_id = history.key[len(folder) :].split("/", maxsplit=1)[0]
        if is_point_id(point_id):
            found.setdefault(point_id, []).append(history)
    points = [LostPoint(storage, Point(point_id, database), tuple(items)) for point_id, items in found.items()]
    lost = [item for item in points if _had_manifest(item) and any(o.state != "present" for o in item.objects)]
    return sorted(lost, key=lambda item: item.point.id, reverse=True)


def _had_manifest(lost: LostPoint) -> bool:
    return any(item.key.endswith("/" + MANIFEST) for item in lost.objects)


def bring_back(lost: LostPoint) -> list[str]:
    """Make the first version of each object the present one, the manifest last; the keys. Destroys no version."""
    done = []
    for item in sorted(lost.objects, key=lambda found: found.key.endswith("/" + MANIFEST)):
        if item.state == "present":
            continue
        if len(item.versions) == 1:
            for marker in item.markers:
                lost.storage.call(f"{item.key} cannot be brought back", "delete_object", Key=item.key, VersionId=marker)
        else:
            lost.storage.copy_version(item.key, item.versions[0])
        done.append(item.key)
    return done


def find_lost(storages: Sequence[object], databases: Sequence[str]) -> list[LostPoint]:
    """Over all destinations that keep versions. Raises OpsError when none does."""
    kept = [storage for storage in storages if isinstance(storage, S3Storage)]
    if not kept:
        raise OpsError("no destination of this backup keeps versions: only those of type s3 can")
    return [lost for database in databases for storage in kept for lost in lost_points(storage, database)]
