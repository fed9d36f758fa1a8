# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append-only JSON lines: the step journal that a crashed run is resumed from, and the audit log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


class JsonLines:
    """A file of one JSON object a line, private (0600), each line on disk before ``append`` returns.

    A line cut short by a crash is ignored when read, and the next one still starts on a line of its own.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, entry: Mapping[str, object]) -> None:
        """Add one entry durably. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            line = json.dumps(entry, sort_keys=True, default=str) + "\n"
            os.write(descriptor, (("\n" if torn else "") + line).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> list[dict[str, object]]:
        """Every whole entry, oldest first; none when the file does not exist."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [entry for line in text.splitlines() if (entry := _parse(line)) is not None]

    def remove(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)


def _parse(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
