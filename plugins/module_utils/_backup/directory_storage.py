# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points in a directory of this host, private to its owner."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .._core.atomic import sync_directory, write_file
from .._core.errors import OpsError
from .points import MANIFEST, Point, database_folder, is_point_id
from .storage import FileMissingError

BLOCK = 1024 * 1024


class DirectoryStorage:
    """Files are written under another name and renamed when whole; folders are 0700, files 0600."""

    def __init__(self, path: str) -> None:
        self._root = Path(path)

    @property
    def location(self) -> str:
        return str(self._root)

    def check(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self._root, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise self._error("cannot be used", error) from None

    def points(self, database: str) -> list[Point]:
        folder = self._root / database_folder(database)
        try:
            names = [entry.name for entry in folder.iterdir() if (entry / MANIFEST).is_file()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._error("cannot be listed", error) from None
        return sorted(Point(name, database) for name in names if is_point_id(name))

    def sink(self, path: str, expected: int) -> FileSink:
        target = self._root / path
        try:
            _private_folders(self._root, target.parent)
            free = shutil.disk_usage(target.parent).free
            sink = FileSink(target)
        except OSError as error:
            raise self._error("cannot be written", error) from None
        if free == 0:
            sink.abort()
            raise OpsError(f"{self.location} is full", path=str(target))
        return sink

    def write(self, path: str, data: bytes) -> None:
        target = self._root / path
        try:
            _private_folders(self._root, target.parent)
            write_file(target, data, mode=0o600)
        except OSError as error:
            raise self._error("cannot be written", error) from None

    def publish(self, path: str, data: bytes) -> None:
        target = self._root / path
        staged = target.with_name(target.name + ".new")
        try:
            write_file(staged, data, mode=0o600)
            # A link, unlike a rename, refuses to replace what is there.
            os.link(staged, target)
            sync_directory(target.parent)
        except OSError as error:
            raise self._error(f"manifest {target} cannot be written", error) from None
        finally:
            staged.unlink(missing_ok=True)

    def read(self, path: str) -> Iterator[bytes]:
        try:
            with (self._root / path).open("rb") as stream:
                while block := stream.read(BLOCK):
                    yield block
        except FileNotFoundError:
            raise FileMissingError(f"{self.location}: {path} is missing (destination directory)") from None
        except OSError as error:
            raise self._error(f"{path} cannot be read", error) from None

    def remove(self, point: Point) -> None:
        folder = self._root / point.folder
        try:
            (folder / MANIFEST).unlink(missing_ok=True)
            if folder.exists():
                sync_directory(folder)
                shutil.rmtree(folder)
        except OSError as error:
            raise self._error(f"{point.folder} cannot be removed", error) from None

    def sweep(self, database: str, orphan: Callable[[Point], bool]) -> list[str]:
        folder = self._root / database_folder(database)
        removed = []
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not is_point_id(entry.name) or (entry / MANIFEST).exists():
                continue
            point = Point(entry.name, database)
            if orphan(point):
                self.remove(point)
                removed.append(str(entry))
        return removed

    def _error(self, what: str, error: OSError) -> OpsError:
        return OpsError(f"{self.location}: {what}: {error.strerror or error} (destination directory)")


class FileSink:
    """One file on its way to ``target``."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(target.name + ".partial")
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._stream = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        try:
            while view:
                view = view[self._stream.write(view) or 0 :]
        except OSError as error:
            raise self._error(error) from None

    def finish(self) -> None:
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._partial.replace(self._target)
            sync_directory(self._target.parent)
        except OSError as error:
            raise self._error(error) from None

    def interrupt(self) -> None:
        pass

    def abort(self) -> None:
        self._stream.close()
        self._partial.unlink(missing_ok=True)

    def _error(self, error: OSError) -> OpsError:
        return OpsError(f"{self._target}: cannot be written: {error.strerror or error} (destination directory)")


def _private_folders(root: Path, folder: Path) -> None:
    for part in reversed([folder, *folder.parents]):
        if part.is_relative_to(root) and not part.exists():
            part.mkdir(mode=0o700, exist_ok=True)
