# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done: decided from desired and observed state alone, before anything is touched."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .._core.errors import OpsError
from .desired import DesiredFile
from .observed import NOTHING, Facts, Observed

Action = Literal["keep", "write", "attributes", "make_directory", "remove"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path, what was found there and what happens to it.

    ``uid`` and ``gid`` are None only in check mode, for an account that does not exist yet.
    """

    file: DesiredFile
    before: Observed
    action: Action
    uid: int | None = None
    gid: int | None = None

    @property
    def changed(self) -> bool:
        return self.action != "keep"

    @property
    def content_after(self) -> bytes | None:
        """The content that the path will have; None when it will not be a file."""
        if self.file.state != "file":
            return None
        kept = self.action in ("keep", "attributes")
        return self.before.content if kept else self.file.content


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change in order: directories from the root down, files, removals from the leaves up."""

    changes: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        return any(change.changed for change in self.changes)

    @property
    def changed_files(self) -> list[str]:
        return [change.file.dest for change in self.changes if change.changed]

    @property
    def changed_sets(self) -> list[str]:
        """The named sets that something changes in, sorted."""
        return sorted({change.file.set_name for change in self.changes if change.changed and change.file.set_name})


def make_plan(files: Sequence[DesiredFile], facts: Facts, *, check_mode: bool) -> Plan:
    """Decide for every file. Raises OpsError naming everything that stands in the way.

    In check mode an account or a parent directory that does not exist yet is no obstacle: a package may bring it.
    """
    problems = [text for file in files for text in _problems(file, files, facts, check_mode=check_mode)]
    if problems:
        raise OpsError("; ".join(problems) + "; nothing was changed", problems=problems)
    return Plan(tuple(_decide(file, facts) for file in _ordered(files)))


def _ordered(files: Iterable[DesiredFile]) -> list[DesiredFile]:
    rank = {"directory": 0, "file": 1, "absent": 2}

    def key(file: DesiredFile) -> tuple[int, int]:
        depth = file.dest.count("/")
        return rank[file.state], {"directory": depth, "file": 0, "absent": -depth}[file.state]

    return sorted(files, key=key)


def _decide(file: DesiredFile, facts: Facts) -> Change:
    before = facts.files.get(file.dest, NOTHING)
    if file.state == "absent":
        return Change(file, before, "keep" if before.kind == "nothing" else "remove")
    uid, gid = facts.users[file.owner], facts.groups[file.group]
    same_attributes = (before.mode, before.uid, before.gid) == (file.mode, uid, gid)
    action: Action
    if file.state == "directory":
        action = "make_directory" if before.kind == "nothing" else "attributes"
        if before.kind == "directory" and same_attributes:
            action = "keep"
    elif before.kind == "link" and not file.force:
        action = "keep"
    elif before.kind != "file" or (file.force and before.content != file.content):
        action = "write"
    else:
        action = "keep" if same_attributes else "attributes"
    return Change(file, before, action, uid, gid)


def _problems(file: DesiredFile, files: Sequence[DesiredFile], facts: Facts, *, check_mode: bool) -> list[str]:
    before = facts.files.get(file.dest, NOTHING)
    found = []
    if file.state == "absent":
        gone = {other.dest for other in files if other.state == "absent"}
        left = [name for name in before.entries if posixpath.join(file.dest, name) not in gone]
        if left:
            found.append(
                f"{file.dest}: is a directory that holds {', '.join(left[:3])}{' and more' if len(left) > 3 else ''}; "
                "only an empty one is removed (use ansible.builtin.file for a whole tree)"
            )
        return found
    if file.state == "file" and before.kind in ("directory", "other"):
        found.append(f"{file.dest}: is a {_called(before)}, not a file")
    if file.state == "directory" and before.kind not in ("directory", "nothing"):
        found.append(f"{file.dest}: is a {_called(before)}, not a directory")
    parent = posixpath.dirname(file.dest)
    if facts.parents.get(parent) == "other":
        found.append(f"{file.dest}: {parent} is not a directory")
    if not check_mode:
        found += _missing(file, files, facts)
    return found


def _missing(file: DesiredFile, files: Sequence[DesiredFile], facts: Facts) -> list[str]:
    found = []
    if facts.users[file.owner] is None:
        found.append(f"{file.dest}: owner {file.owner} does not exist on this host")
    if facts.groups[file.group] is None:
        found.append(f"{file.dest}: group {file.group} does not exist on this host")
    parent = posixpath.dirname(file.dest)
    made = any(other.dest == parent and other.state == "directory" for other in files)
    if facts.parents.get(parent, "nothing") == "nothing" and not made:
        found.append(
            f"{file.dest}: the directory {parent} does not exist; add an entry with dest: {parent} and state: directory"
        )
    return found


def _called(observed: Observed) -> str:
    return {"other": "special file", "link": "link that leads to no directory"}.get(observed.kind, observed.kind)
