# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup is made from: it stores all files of a point but the manifest, and describes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Protocol

from .._core.command import Command
from .._core.errors import OpsError
from .archive import Flow, stream
from .backup import Backup
from .manifest import Manifest, StoredFile
from .points import Point
from .storage import Sink


class DumpSource(Protocol):
    """A PostgreSQL server, or a command."""

    def store(self, point: Point) -> Manifest:
        """Store the files of ``point`` in every destination, or in none. Raises OpsError."""

    def end_left_over(self, point: Point) -> None:
        """After a failure: end what still works for ``point`` elsewhere, as far as it can be reached."""


def store_stream(
    backup: Backup,
    path: tuple[Point, str],
    producers: Sequence[Command],
    *,
    expected: int,
    also: ExitStack,
    join: Callable[[], object] = lambda: None,
    refuse_empty: bool = False,
) -> StoredFile:
    """Stream what ``producers`` make to a file of every destination; only after an error, ``also`` is undone."""
    point, name = path
    sinks: list[Sink] = []
    for storage in backup.storages:
        sinks.append(storage.sink(point.path(name), expected))
        also.callback(_abort, sinks[-1])
    flow = Flow(
        progress=lambda done: backup.reporter.progress(done, None),
        join=join,
        stall_timeout=backup.settings.stall_timeout,
        refuse_empty=refuse_empty,
    )
    stored = stream(name, producers, sinks, flow)
    also.pop_all()
    return stored


def _abort(sink: Sink) -> None:
    # The first error is the one to tell; what cannot be aborted now is swept later.
    with suppress(OpsError):
        sink.abort()
