# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a plan all or nothing: every step can be undone until the last one is done."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from .._core.atomic import sync_directory, write_file
from .._core.errors import OpsError
from .observed import Observed
from .plan import Change, Plan


def apply(plan: Plan, now: datetime) -> list[str]:
    """Bring about ``plan``; ``now`` names the backups. Returns the paths of the backups.

    Raises OpsError when a step fails; the host is then as it was before.
    """
    transaction = _Transaction(now)
    for change in plan.changes:
        try:
            transaction.do(change)
        except BaseException as error:
            left = transaction.undo()
            if not isinstance(error, OSError):
                raise
            raise _failure(change, error, left) from None
    transaction.finish()
    return transaction.backups


def _failure(change: Change, error: OSError, left: list[str]) -> OpsError:
    advice = {
        1: "; not permitted to this user (become?), or the file is immutable",
        13: "; not permitted to this user (become?)",
        16: "; it is a mount point, which cannot be replaced",
    }.get(error.errno or 0, "")
    state = f"and could not be undone for {', '.join(left)}" if left else "and nothing was changed"
    return OpsError(f"{change.file.dest}: {error.strerror or error}{advice}, {state}", dest=change.file.dest)


class _Transaction:
    def __init__(self, now: datetime) -> None:
        self.backups: list[str] = []
        self._stamp = now.strftime("%Y-%m-%d@%H:%M:%S")
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._saved: list[Path] = []

    def do(self, change: Change) -> None:
        dest = Path(change.file.dest)
        if change.changed and change.file.backup and change.before.kind == "file":
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
        for dest, step in reversed(self._undo):
            try:
                step()
            except OSError:
                failed.append(dest)
        return failed

    def finish(self) -> None:
        """Make it lasting: drop what was kept for undoing."""
        for saved in self._saved:
            with suppress(FileNotFoundError):
                saved.unlink()

    def _back_up(self, dest: Path, before: Observed) -> None:
        copy = Path(f"{dest}.{os.getpid()}.{self._stamp}~")
        content = dest.read_bytes() if before.content is None else before.content
        write_file(copy, content, mode=before.mode, uid=before.uid, gid=before.gid)
        self._undo.append((str(copy), copy.unlink))
        self.backups.append(str(copy))

    def _write(self, dest: Path, change: Change) -> None:
        saved = self._save(dest, change.before)
        content = change.content_after
        assert content is not None  # noqa: S101  # the plan writes files only
        uid, gid = _ids(change)
        write_file(dest, content, mode=change.file.mode, uid=uid, gid=gid)
        self._undo.append((str(dest), dest.unlink if saved is None else lambda: saved.replace(dest)))

    def _save(self, dest: Path, before: Observed) -> Path | None:
        """A second name for what is at ``dest``, kept in its directory until the end."""
        if before.kind == "nothing":
            return None
        saved = dest.with_name(f".{dest.name}.{secrets.token_hex(6)}.saved")
        os.link(dest, saved, follow_symlinks=False)
        self._saved.append(saved)
        return saved

    def _make_directory(self, dest: Path, change: Change) -> None:
        dest.mkdir(mode=0o700)
        self._undo.append((str(dest), dest.rmdir))
        uid, gid = _ids(change)
        _set(dest, change.file.mode, uid, gid)
        sync_directory(dest.parent)

    def _set_attributes(self, dest: Path, change: Change) -> None:
        before = change.before
        self._undo.append((str(dest), lambda: _set(dest, before.mode, before.uid, before.gid)))
        uid, gid = _ids(change)
        _set(dest, change.file.mode, uid, gid)

    def _remove(self, dest: Path, before: Observed) -> None:
        if before.kind == "directory":
            dest.rmdir()
            self._undo.append((str(dest), lambda: _remake(dest, before)))
        else:
            saved = dest.with_name(f".{dest.name}.{secrets.token_hex(6)}.saved")
            dest.rename(saved)
            self._undo.append((str(dest), lambda: saved.rename(dest)))
            self._saved.append(saved)
        sync_directory(dest.parent)


def _ids(change: Change) -> tuple[int, int]:
    assert change.uid is not None  # noqa: S101  # a plan without an account is made in check mode only
    assert change.gid is not None  # noqa: S101
    return change.uid, change.gid


def _remake(dest: Path, before: Observed) -> None:
    dest.mkdir(mode=0o700)
    _set(dest, before.mode, before.uid, before.gid)


def _set(dest: Path, mode: int, uid: int, gid: int) -> None:
    """Owner first: changing it clears the set-id bits."""
    descriptor = os.open(dest, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
