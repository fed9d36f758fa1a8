# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the host now."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .._core.errors import OpsError
from .desired import DesiredFile
from .options import CONTENT_LIMIT

Kind = Literal["nothing", "file", "directory", "link", "other"]


@dataclass(frozen=True, slots=True)
class Observed:
    """One path as it was found.

    ``content`` is None for anything but a file, and for a file larger than any that can be desired.
    ``target`` is where a link points; ``entries`` are the names in a directory that should be absent.
    """

    kind: Kind
    mode: int = 0
    uid: int = -1
    gid: int = -1
    content: bytes | None = field(default=None, repr=False)
    target: str | None = None
    entries: tuple[str, ...] = ()


NOTHING = Observed("nothing")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a plan is made from: paths, parent directories, and the ids of accounts (None: no such account)."""

    files: Mapping[str, Observed]
    parents: Mapping[str, Kind]
    users: Mapping[str, int | None]
    groups: Mapping[str, int | None]
    user_names: Mapping[int, str] = field(default_factory=dict)
    group_names: Mapping[int, str] = field(default_factory=dict)


def observe(files: Iterable[DesiredFile]) -> Facts:
    """Look at everything that ``files`` concern. Raises OpsError for a path that may not be read."""
    wanted = tuple(files)
    found = {file.dest: observe_path(file) for file in wanted}
    parents = {str(Path(file.dest).parent) for file in wanted}
    kept = [file for file in wanted if file.state != "absent"]
    present = [observed for observed in found.values() if observed.kind != "nothing"]
    return Facts(
        files=found,
        parents={parent: _kind(parent) for parent in parents},
        users={name: _user_id(name) for name in {file.owner for file in kept}},
        groups={name: _group_id(name) for name in {file.group for file in kept}},
        user_names={uid: _user_name(uid) for uid in {observed.uid for observed in present}},
        group_names={gid: _group_name(gid) for gid in {observed.gid for observed in present}},
    )


def observe_path(file: DesiredFile) -> Observed:
    """Look at one path. A link counts as itself, except where a directory is wanted and it leads to one.

    Raises OpsError for a path that may not be read.
    """
    try:
        found = Path(file.dest).lstat()
        return _observe_link(file, found) if stat.S_ISLNK(found.st_mode) else _describe(file, found)
    except (FileNotFoundError, NotADirectoryError):
        return NOTHING
    except OSError as error:
        reason = error.strerror
    raise OpsError(f"{file.dest}: cannot be read: {reason} (become?); nothing was changed", dest=file.dest)


def _describe(file: DesiredFile, found: os.stat_result) -> Observed:
    mode, uid, gid = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
    if stat.S_ISREG(found.st_mode):
        content = Path(file.dest).read_bytes() if found.st_size <= CONTENT_LIMIT else None
        return Observed("file", mode, uid, gid, content)
    if stat.S_ISDIR(found.st_mode):
        entries = tuple(sorted(os.listdir(file.dest))) if file.state == "absent" else ()  # noqa: PTH208
        return Observed("directory", mode, uid, gid, entries=entries)
    return Observed("other", mode, uid, gid)


def _observe_link(file: DesiredFile, found: os.stat_result) -> Observed:
    path = Path(file.dest)
    if file.state == "directory" and path.is_dir():
        return _describe(file, path.stat())
    return Observed("link", stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, target=str(path.readlink()))


def _kind(path: str) -> Kind:
    place = Path(path)
    if place.is_dir():
        return "directory"
    return "other" if place.exists() else "nothing"


def _user_id(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else None


def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return int(name) if name.isdecimal() else None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
