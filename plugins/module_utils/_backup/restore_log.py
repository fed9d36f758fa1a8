# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of databases that it restored: a repeated restore is none, and one can be undone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .._core.atomic import write_file
from .settings import Settings

MOST_RECORDS = 200


@dataclass(frozen=True, slots=True)
class Origin:
    """Database ``oid`` of cluster ``system`` was made from ``point``; ``instead_of`` is the oid that it replaced.

    Renames keep an oid, so this stays true whatever the database is called.
    """

    system: str
    oid: int
    point: str
    instead_of: int | None = None


class RestoreLog:
    """The file ``restores.json`` of one backup. Written before a swap; a record without its swap is harmless."""

    def __init__(self, settings: Settings) -> None:
        self._path = Path(settings.state_dir) / settings.name / "restores.json"

    def of(self, system: str) -> dict[int, Origin]:
        """By oid."""
        return {origin.oid: origin for origin in self._read() if origin.system == system}

    def add(self, origin: Origin) -> None:
        kept = [other for other in self._read() if (other.system, other.oid) != (origin.system, origin.oid)]
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        entries = [asdict(item) for item in (*kept, origin)][-MOST_RECORDS:]
        write_file(self._path, json.dumps(entries, indent=1).encode())

    def _read(self) -> list[Origin]:
        try:
            return [Origin(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
