# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers between runs: a JSON object in a private file, changed by one process at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .atomic import write_file
from .clock import Clock, SystemClock
from .lock import file_lock

LOCK_SECONDS = 30.0


class StateFile:
    """``folder_mode`` is of the folder that the file lies in, when it has to be made."""

    def __init__(self, path: Path, *, folder_mode: int = 0o700, clock: Clock | None = None) -> None:
        self._path = path
        self._folder_mode = folder_mode
        self._clock = clock or SystemClock()

    def read(self) -> dict[str, Any]:
        """The object; an empty one when there is none, or nothing that could be read."""
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The object, to be changed in place; it is stored when the block ends well. Raises LockHeld, OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=self._folder_mode)
        lock = self._path.with_suffix(".lock")
        with file_lock(lock, purpose=f"writing {self._path.name}", timeout=LOCK_SECONDS, clock=self._clock):
            known = self.read()
            yield known
            write_file(self._path, json.dumps(known, indent=1, sort_keys=True).encode())
