# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: the last file of a restore point to appear; without one there is no backup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core.errors import OpsError
from .points import Point

FORMAT = 1
POSTGRES, COMMAND = "postgres", "command"


class ManifestDamagedError(OpsError):
    """The file exists and cannot be what we wrote."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """``bytes`` and ``sha256`` are of the file as stored: compressed, and encrypted if asked for."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableContent:
    """Rows of a table and their hash. ``method``: ``full`` hashes each row, ``sample`` some by key, ``count`` none."""

    schema: str
    table: str
    rows: int
    method: str
    hash: str

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a restored database must equal: content per table, and how many objects of each kind there are."""

    tables: tuple[TableContent, ...]
    objects: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of a restore point. Times are ISO 8601 in UTC.

    What ``source`` ``command`` made has no server: its fingerprint, version, locale and the like are empty.
    """

    id: str
    database: str
    started_at: str
    finished_at: str
    seconds: float
    dump: StoredFile
    globals: StoredFile | None
    globals_have_passwords: bool
    fingerprint: Fingerprint
    server_version: str
    tools: Mapping[str, str]
    extensions: Mapping[str, str]
    locale: Mapping[str, str | None]
    owner: str
    wal_position: str
    database_bytes: int
    encryption: tuple[str, ...] = ()
    source: str = POSTGRES
    properties: Mapping[str, Any] | None = None
    format: int = FORMAT

    @property
    def point(self) -> Point:
        return Point(self.id, self.database)

    @property
    def server_major(self) -> int:
        return int(self.server_version.split(".", maxsplit=1)[0])

    def to_bytes(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Raises ManifestDamagedError for anything this version cannot trust."""
    try:
        raw = json.loads(data)
        if raw["format"] != FORMAT:
            raise ManifestDamagedError(
                f"{where}: manifest format {raw['format']}, this version reads {FORMAT}; upgrade keelson"
            )
        prints = raw["fingerprint"]
        known = {
            **raw,
            "dump": StoredFile(**raw["dump"]),
            "globals": StoredFile(**raw["globals"]) if raw["globals"] else None,
            "fingerprint": Fingerprint(tuple(TableContent(**t) for t in prints["tables"]), prints["objects"]),
            "encryption": tuple(raw["encryption"]),
        }
        return Manifest(**known)
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestDamagedError(f"{where}: not a manifest ({type(error).__name__}: {error})") from None
