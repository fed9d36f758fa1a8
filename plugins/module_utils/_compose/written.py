# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the role wrote for each project of a host, so that those no longer named can be removed. Pure.

Only what stands in this record is ever removed: single files below the project's directory, by plain names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .._core.errors import OpsError

PATH = "/var/lib/keelson/compose_app.json"
NAME = re.compile(r"^(secrets/)?[A-Za-z0-9._-]+$")


@dataclass(frozen=True, slots=True)
class Written:
    """The files of one project, relative to its directory."""

    directory: str
    files: frozenset[str] = field(default_factory=frozenset)

    def paths(self) -> set[str]:
        return {f"{self.directory}/{name}" for name in self.files}


Record = Mapping[str, tuple[Written, ...]]
"""By project: where its files are, and directories that it was in before."""


def read_record(text: str) -> dict[str, tuple[Written, ...]]:
    """The record of a host; empty text is an empty one. Raises OpsError for anything that this module did not write."""
    if not text.strip():
        return {}
    try:
        raw = json.loads(text)
        return {str(name): tuple(_written(entry) for entry in entries) for name, entries in raw.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OpsError(f"{PATH} on the host is damaged; remove it: files no longer named then stay") from None


def both(old: Record, new: Mapping[str, Written]) -> dict[str, tuple[Written, ...]]:
    """The record while a deployment is under way: what was written before and what is written now."""
    merged = dict(old)
    for name, written in new.items():
        others = tuple(entry for entry in old.get(name, ()) if entry.directory != written.directory)
        same = (entry.files for entry in old.get(name, ()) if entry.directory == written.directory)
        merged[name] = (Written(written.directory, written.files.union(*same)), *others)
    return merged


def only(old: Record, new: Mapping[str, Written]) -> dict[str, tuple[Written, ...]]:
    """The record after it: projects that were not deployed stay as they were."""
    return {**old, **{name: (written,) for name, written in new.items()}}


def leftovers(old: Record, new: Mapping[str, Written]) -> list[str]:
    """Paths that were written for the deployed projects and that no project needs any more."""
    kept = {path for entries in only(old, new).values() for entry in entries for path in entry.paths()}
    return sorted({path for name in new for entry in old.get(name, ()) for path in entry.paths()} - kept)


def text_of_record(record: Record) -> str:
    """The record's file."""
    raw = {
        name: [{"directory": entry.directory, "files": sorted(entry.files)} for entry in entries]
        for name, entries in sorted(record.items())
    }
    return json.dumps(raw, indent=1) + "\n"


def written_of(directory: PurePosixPath, files: Iterable[str]) -> Written:
    """The record's entry for files of a project, given by their whole paths."""
    return Written(str(directory), frozenset(str(PurePosixPath(path).relative_to(directory)) for path in files))


def _written(raw: Mapping[str, object]) -> Written:
    directory, files = str(raw["directory"]), raw["files"]
    if not isinstance(files, list) or not directory.startswith("/") or ".." in PurePosixPath(directory).parts:
        raise ValueError(directory)
    names = frozenset(str(name) for name in files)
    if not all(NAME.match(name) and PurePosixPath(name).name not in ("", ".", "..") for name in names):
        raise ValueError(directory)
    return Written(directory, names)
