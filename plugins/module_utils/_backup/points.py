# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points: their identity and where their files lie below a destination."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

MANIFEST = "manifest.json"
_STAMP = "%Y%m%dT%H%M%SZ"
_ID = re.compile(r"^(\d{8}T\d{6}Z)-[0-9a-f]{8}$")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One restore point of one database. ``id`` starts with the UTC time, so ids sort by age."""

    id: str
    database: str

    @property
    def taken_at(self) -> datetime:
        return datetime.strptime(self.id[:16], _STAMP).replace(tzinfo=timezone.utc)

    @property
    def folder(self) -> str:
        """Path below the destination, with a trailing slash."""
        return f"{database_folder(self.database)}{self.id}/"

    def path(self, file: str) -> str:
        return self.folder + file


def new_point(database: str, now: datetime, token: str) -> Point:
    """The point a run that starts ``now`` will make; ``token`` are 8 hexadecimal digits that make it unique."""
    return Point(f"{now.astimezone(timezone.utc).strftime(_STAMP)}-{token}", database)


def is_point_id(text: str) -> bool:
    return _ID.match(text) is not None


def database_folder(database: str) -> str:
    """Any database name as one path segment: the separators and a leading dot are escaped."""
    segment = quote(database, safe="-_.")
    return ("%2E" + segment[1:] if segment.startswith(".") else segment) + "/"
