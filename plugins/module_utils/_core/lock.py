# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time: a kernel lock that dies with its process, so it can never go stale."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .clock import Clock
from .errors import OpsError

POLL_SECONDS = 0.2


class LockHeld(OpsError):
    """Another process holds the lock and the time to wait for it is over."""


@contextmanager
def file_lock(path: str | Path, *, purpose: str, timeout: float, clock: Clock) -> Iterator[None]:
    """Hold ``path`` exclusively; wait at most ``timeout`` seconds.

    Raises LockHeld naming who holds it (purpose, process id, since when).
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = clock.monotonic() + timeout
        while not _try_lock(descriptor):
            if clock.monotonic() >= deadline:
                holder = _read_holder(path)
                raise LockHeld(
                    f"{purpose}: {path} is held by {holder.get('purpose', 'another process')} "
                    f"(process {holder.get('pid', 'unknown')}, since {holder.get('since', 'unknown')}); "
                    f"waited {timeout:g} s (option lock_timeout)",
                    holder=holder,
                )
            clock.sleep(POLL_SECONDS)
        holder_text = json.dumps({"purpose": purpose, "pid": os.getpid(), "since": clock.now().isoformat()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder_text.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(path: str | Path) -> dict[str, object]:
    try:
        holder = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}
