# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks of a destination. Paths are relative to it and use ``/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from .._core.errors import OpsError
from .points import Point


class FileMissingError(OpsError):
    """A file that a manifest names is not there."""


class Sink(Protocol):
    """A file under way. It exists for readers after ``finish`` and never after ``abort``."""

    def write(self, block: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """Make the file durable and visible."""

    def interrupt(self) -> None:
        """Let a ``write`` or ``finish`` that waits in another thread fail soon, where that can be done."""

    def abort(self) -> None:
        """Leave nothing behind; harmless when repeated or after ``finish``."""


class Storage(Protocol):
    """A place that holds restore points. Its methods raise OpsError with ``location`` in the message."""

    @property
    def location(self) -> str:
        """Its name for people and for results."""

    def check(self) -> None:
        """Fail early when it cannot be used."""

    def points(self, database: str) -> list[Point]:
        """Points that have a manifest, oldest first."""

    def sink(self, path: str, expected: int) -> Sink:
        """Begin a file of at most about ``expected`` bytes."""

    def write(self, path: str, data: bytes) -> None:
        """Store a small file."""

    def publish(self, path: str, data: bytes) -> None:
        """Store a small file only if none of that name exists."""

    def read(self, path: str) -> Iterator[bytes]:
        """A file's bytes in blocks. Raises FileMissingError where there is none."""

    def remove(self, point: Point) -> None:
        """Remove a point: first its manifest, so that it is never half a backup."""

    def sweep(self, database: str, orphan: Callable[[Point], bool]) -> list[str]:
        """Remove what is there of points without a manifest that ``orphan`` names; what was removed."""
