# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a plan all or nothing: every step can be undone until the last one is done."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from .._core.atomic import sync_directory, write_file
from .._core.errors import OpsError
from .leftovers import second_name
from .observed import Observed
from .plan import Change, Plan

ADVICE = {
    errno.EPERM: "; not permitted to this user (become?), or immutable",
    errno.EACCES: "; not permitted to this user (become?)",
    errno.EBUSY: "; it is a mount point, which cannot be replaced",
}
DEFERRED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def apply(plan: Plan, now: datetime) -> list[str]:
    """Bring about ``plan``; ``now`` names the backups. Returns the paths of the backups.

    Raises OpsError when a step fails; the host is then as it was before.
    """
    transaction = _Transaction(now)
    with _undivided():
        for change in plan.changes:
            try:
                transaction.do(change)
            except OSError as error:
                raise _failure(change, error, transaction.undo()) from None
            except BaseException:
                transaction.undo()
                raise
        transaction.finish()
    return transaction.backups


@contextmanager
def _undivided() -> Iterator[None]:
    """Let a lost connection or a Ctrl-C come through only when the transaction is over: it takes milliseconds."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEFERRED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _failure(change: Change, error: OSError, left: list[str]) -> OpsError:
    advice = ADVICE.get(error.errno or 0, "")
    state = f"and could not be undone for {', '.join(left)}" if left else "and nothing was changed"
    return OpsError(f"{change.file.dest}: {error.strerror or error}{advice}, {state}", dest=change.file.dest)


class _Transaction:
    def __init__(self, now: datetime) -> None:
        self.backups: list[str] = []
        self._stamp = now.strftime("%Y-%m-%d@%H:%M:%S")
        self._steps: list[tuple[str, Callable[[], object]]] = []
        self._saved: list[Path] = []

    def do(self, change: Change) -> None:
        """Apply one change; how to take it back is noted before anything is touched. Raises OSError."""
        dest = Path(change.file.dest)
        if change.action in ("write", "remove") and change.file.backup and change.before.kind == "file":
            self._back_up(dest, change.before)
        if change.action == "write":
            self._write(dest, change)
        elif change.action == "make_directory":
            self._make_directory(dest, change)
        elif change.action == "attributes":
            self._set_attributes(dest, change)
        elif change.action == "remove":
            self._remove(dest, change.before)

    def undo(self) -> list[str]:
        """Take back every step, last first. Returns the paths for which that failed."""
        failed = []
        for dest, step in reversed(self._steps):
            try:
                step()
            except OSError:
                failed.append(dest)
        if not failed:
            self.finish()
        return failed

    def finish(self) -> None:
        """Drop what was kept for taking steps back."""
        for saved in self._saved:
            with suppress(OSError):
                saved.unlink()

    def _back_up(self, dest: Path, before: Observed) -> None:
        copy = Path(f"{dest}.{os.getpid()}.{self._stamp}~")
        content = dest.read_bytes() if before.content is None else before.content
        self._steps.append((str(copy), lambda: copy.unlink(missing_ok=True)))
        write_file(copy, content, mode=before.mode, uid=before.uid, gid=before.gid)
        self.backups.append(str(copy))

    def _write(self, dest: Path, change: Change) -> None:
        content = change.content_after
        if content is None:
            raise AssertionError("a plan writes files only")
        self._keep(dest, change.before)
        uid, gid = _ids(change)
        write_file(dest, content, mode=change.file.mode, uid=uid, gid=gid)

    def _remove(self, dest: Path, before: Observed) -> None:
        if before.kind == "directory":
            dest.rmdir()
            self._steps.append((str(dest), lambda: _make(dest, before.mode, before.uid, before.gid)))
        else:
            self._keep(dest, before)
            dest.unlink()
        sync_directory(dest.parent)

    def _keep(self, dest: Path, before: Observed) -> None:
        """Give what is at ``dest`` a second name beside it, from which one rename brings it back."""
        if before.kind == "nothing":
            self._steps.append((str(dest), lambda: dest.unlink(missing_ok=True)))
            return
        saved, original = second_name(dest), dest.lstat()
        self._saved.append(saved)
        try:
            os.link(dest, saved, follow_symlinks=False)
        except OSError:  # a file system without hard links
            if before.kind != "file":
                raise
            write_file(saved, dest.read_bytes(), mode=before.mode, uid=before.uid, gid=before.gid)
        self._steps.append((str(dest), lambda: _bring_back(saved, dest, original)))

    def _make_directory(self, dest: Path, change: Change) -> None:
        uid, gid = _ids(change)
        dest.mkdir(mode=0o700)
        self._steps.append((str(dest), dest.rmdir))
        _set(dest, change.file.mode, uid, gid)
        sync_directory(dest.parent)

    def _set_attributes(self, dest: Path, change: Change) -> None:
        before = change.before
        uid, gid = _ids(change)
        self._steps.append((str(dest), lambda: _set(dest, before.mode, before.uid, before.gid)))
        _set(dest, change.file.mode, uid, gid)


def _ids(change: Change) -> tuple[int, int]:
    if change.uid is None or change.gid is None:
        raise AssertionError("only a plan of check mode lacks an account")
    return change.uid, change.gid


def _bring_back(saved: Path, dest: Path, original: os.stat_result) -> None:
    """Untouched is good enough: what could not be replaced cannot be replaced back either."""
    with suppress(FileNotFoundError):
        if os.path.samestat(dest.lstat(), original):
            return
    saved.replace(dest)


def _make(dest: Path, mode: int, uid: int, gid: int) -> None:
    dest.mkdir(mode=0o700)
    _set(dest, mode, uid, gid)


def _set(dest: Path, mode: int, uid: int, gid: int) -> None:
    """Owner first: changing it clears the set-id bits."""
    os.chown(dest, uid, gid)
    dest.chmod(mode)
