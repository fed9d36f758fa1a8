# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that would be written, seen at their place in check mode by this process and nobody else.

A private mount namespace with an overlay whose upper layer is memory: ``docker compose`` reads the project as it would
be, nothing is written to the host, and all of it is gone when the process ends.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from .._core.command import Command, Runner
from .._core.errors import OpsError

CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000
MS_NOSUID_NODEV = 0x2 | 0x4
MNT_DETACH = 0x2
PLUGIN_SECONDS = 30.0


class Mounts(Protocol):
    """What changes the file system as this process sees it."""

    def separate(self) -> None:
        """Leave the mounts of the host. Raises OSError where that is not allowed."""

    def memory(self, target: Path) -> None:
        """Put an empty file system in memory there."""

    def overlay(self, lower: Path, upper: Path, work: Path) -> None:
        """Show ``upper`` over ``lower``, at the place of ``lower``."""

    def detach(self, target: Path) -> None:
        """Take a file system away from there; what still uses it keeps it."""


class SystemMounts:
    """Mounts by the C library."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def separate(self) -> None:
        self._checked(self._libc.unshare(CLONE_NEWNS))
        self._mount("none", Path("/"), "", MS_REC_PRIVATE, "")

    def memory(self, target: Path) -> None:
        self._mount("tmpfs", target, "tmpfs", MS_NOSUID_NODEV, "mode=0700")

    def overlay(self, lower: Path, upper: Path, work: Path) -> None:
        self._mount("overlay", lower, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")

    def detach(self, target: Path) -> None:
        self._checked(self._libc.umount2(str(target).encode(), MNT_DETACH))

    def _mount(self, source: str, target: Path, kind: str, flags: int, data: str) -> None:
        texts = [text.encode() or None for text in (source, str(target), kind)]
        self._checked(self._libc.mount(*texts, ctypes.c_ulong(flags), data.encode() or None))

    @staticmethod
    def _checked(result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def decode(encoded: str) -> dict[Path, bytes]:
    """The files of option planned_files. Raises OpsError, which never shows a content."""
    try:
        raw = json.loads(base64.b64decode(encoded, validate=True))
        files = {Path(str(path)): str(content).encode() for path, content in raw.items()}
    except (binascii.Error, ValueError, AttributeError):
        files = None
    if files is None or not all(path.is_absolute() and ".." not in path.parts for path in files):
        raise OpsError("planned_files must be the base64 of a JSON object of absolute paths and their contents")
    return files


def preview_planned(
    directory: Path, encoded: str, obstacle: str | None, preview: Callable[[], dict[str, object]], mounts: Mounts
) -> dict[str, object]:
    """The preview of the project in ``directory`` with the planned files in it.

    Where there is an ``obstacle``, such as a host without Docker, the answer is that something would change, without a
    plan. Raises OpsError for what the preview finds wrong.
    """
    files = decode(encoded)
    if obstacle is None:
        try:
            see_in_place(directory, files, mounts)
        except OSError as error:
            obstacle = f"this process cannot have mounts of its own: {error.strerror or error}"
        else:
            return preview()
    return {
        "changed": True, "plan": [], "steps": [], "release": None, "version": None,
        "msg": f"files of the project would change; what the deployment would do is not known: {obstacle}",
    }  # fmt: skip


def see_in_place(directory: Path, files: Mapping[Path, bytes], mounts: Mounts) -> None:
    """Let this process, until it ends, see ``files`` as if they were there. Raises OSError."""
    base = next(parent for parent in (directory, *directory.parents) if parent.is_dir())
    if base == Path("/"):
        raise OSError(0, f"{directory.parent} does not exist")
    mounts.separate()
    memory = Path(tempfile.mkdtemp(prefix="keelson-", dir="/run" if os.access("/run", os.W_OK) else None))
    try:
        mounts.memory(memory)
        try:
            for name in ("upper", "work"):
                (memory / name).mkdir(mode=0o755)
            mounts.overlay(base, memory / "upper", memory / "work")
        finally:
            mounts.detach(memory)
    finally:
        memory.rmdir()
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)


def obstacle_on(runner: Runner, engine: Callable[[], object] | None) -> str | None:
    """Why no plan can be made on this host yet; None when one can. ``engine`` is None without the Docker SDK."""
    if engine is None:
        return "the Docker SDK for Python is not installed yet (python3-docker)"
    try:
        engine()
        runner.run(Command(("docker", "compose", "version", "--short")), timeout=PLUGIN_SECONDS)
    except OpsError as error:
        return error.message
    return None
