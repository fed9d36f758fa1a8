# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one entry of ``files``: checked on the controller, with errors that name the dest and the option."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from .._core.errors import OpsError
from .desired import DesiredFile, State

CONTENT_LIMIT = 5 * 1024 * 1024
SOURCES = ("template", "src", "content")
ATTRIBUTES = ("owner", "group", "mode")
KNOWN = frozenset(
    ("dest", *SOURCES, "vars", *ATTRIBUTES, "state", "validate", "set", "notify", "backup", "secret", "force", "diff")
)
_OCTAL = re.compile(r"0?[0-7]{3,4}")
_TRUE = frozenset(("true", "yes", "on", "1", "y", "t"))
_FALSE = frozenset(("false", "no", "off", "0", "n", "f"))


@dataclass(frozen=True, slots=True)
class Source:
    """Where the content of a file comes from: a template, a file of the controller, or the text itself."""

    kind: Literal["template", "src", "content"]
    value: str = field(repr=False)
    variables: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """One checked entry. ``file`` still lacks its content; ``source`` is None for a directory or an absent path."""

    file: DesiredFile
    source: Source | None
    notify: tuple[str, ...]


def parse_files(raw: object) -> tuple[FileOptions, ...]:
    """Check the option ``files``. Raises OpsError naming the entry and the option at fault."""
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise OpsError("option files must be a list of dictionaries")
    parsed = tuple(_parse_entry(index, entry) for index, entry in enumerate(raw))
    _refuse_conflicts([options.file for options in parsed])
    return parsed


def check_size(dest: str, content: bytes) -> bytes:
    """``content``, unless it is too large to travel in the module's arguments. Raises OpsError."""
    if len(content) > CONTENT_LIMIT:
        raise OpsError(
            f"{dest}: the content has {len(content)} bytes, the limit is {CONTENT_LIMIT}; "
            "use ansible.builtin.copy or ansible.builtin.unarchive for large files",
            dest=dest,
        )
    return content


def _parse_entry(index: int, raw: object) -> FileOptions:
    if not isinstance(raw, Mapping):
        raise OpsError(f"files[{index}]: must be a dictionary, not {_kind(raw)}")
    given = {str(key): value for key, value in raw.items() if value is not None}
    dest = _dest(index, given)
    entry = _Entry(dest, given)
    entry.refuse_unknown()
    state = entry.state()
    file = DesiredFile(
        dest=dest,
        state=state,
        owner=entry.account("owner"),
        group=entry.account("group"),
        mode=entry.mode(0o755 if state == "directory" else 0o644),
        validate=entry.validator() if state == "file" else None,
        set_name=entry.text("set"),
        backup=entry.flag("backup", default=False),
        secret=entry.flag("secret", default=False),
        force=entry.flag("force", default=True),
        diff=entry.flag("diff", default=True),
    )
    return FileOptions(file, entry.source(state), entry.notify())


def _dest(index: int, given: Mapping[str, object]) -> str:
    dest = given.get("dest")
    if not isinstance(dest, str) or not dest:
        raise OpsError(f"files[{index}]: option dest is required and must be a path")
    if not dest.startswith("/"):
        raise OpsError(f"{dest}: option dest must be an absolute path", dest=dest)
    normal = posixpath.normpath(dest)
    if normal in ("/", "//") or "\0" in dest:
        raise OpsError(f"{dest}: option dest is not a path that can be managed", dest=dest)
    return str(normal)


@dataclass(frozen=True, slots=True)
class _Entry:
    dest: str
    given: Mapping[str, object] = field(repr=False)

    def error(self, option: str, text: str) -> OpsError:
        return OpsError(f"{self.dest}: option {option} {text}", dest=self.dest, option=option)

    def refuse_unknown(self) -> None:
        unknown = sorted(set(self.given) - KNOWN)
        if unknown:
            raise self.error(unknown[0], f"is not known; known are: {', '.join(sorted(KNOWN))}")

    def text(self, option: str) -> str | None:
        value = self.given.get(option)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.error(option, f"must be a non-empty string, not {_kind(value)}")
        return str(value)

    def flag(self, option: str, *, default: bool) -> bool:
        value = self.given.get(option, default)
        word = str(value).lower()
        if isinstance(value, (bool, int, str)) and word in _TRUE | _FALSE:
            return word in _TRUE
        raise self.error(option, "must be true or false")

    def state(self) -> State:
        value = self.given.get("state", "file")
        if value not in ("file", "directory", "absent"):
            raise self.error("state", "must be one of: file, directory, absent")
        return cast(State, str(value))

    def account(self, option: str) -> str:
        value = self.given.get(option, "root")
        if isinstance(value, bool) or not isinstance(value, (str, int)) or str(value).strip() == "":
            raise self.error(option, f"must be a name or a numeric id, not {_kind(value)}")
        return str(value)

    def mode(self, default: int) -> int:
        value = self.given.get("mode")
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error("mode", f'must be a quoted octal string such as "0644", not {_kind(value)} {value!r}')
        if not _OCTAL.fullmatch(value):
            raise self.error("mode", f'must be a quoted octal string such as "0644", not {value!r}')
        return int(value, 8)

    def validator(self) -> str | None:
        command = self.text("validate")
        if command is None:
            return None
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise self.error("validate", f"cannot be split into words: {error}") from None
        if not any("%s" in word for word in words[1:]):
            raise self.error("validate", "must hold %s, which stands for the staged file, as an argument")
        return command

    def source(self, state: State) -> Source | None:
        if state == "absent":
            return None
        found = [name for name in SOURCES if name in self.given]
        if state == "directory":
            if found:
                raise self.error(found[0], "is not for a directory")
            return None
        if len(found) != 1:
            raise self.error(
                "template", f"or src or content: exactly one is needed, {', '.join(found) or 'none'} given"
            )
        variables = self.given.get("vars", {})
        if not isinstance(variables, Mapping):
            raise self.error("vars", f"must be a dictionary, not {_kind(variables)}")
        if found[0] == "content":
            return Source("content", self._inline())
        path = self.text(found[0])
        if path is None:
            raise AssertionError("it is in `given`, which holds no None")
        return Source("template" if found[0] == "template" else "src", path, variables)

    def _inline(self) -> str:
        value = self.given["content"]
        if isinstance(value, str):
            return str(value)
        if isinstance(value, (Mapping, list)):
            return json.dumps(value)
        if isinstance(value, (int, float)):
            return str(value)
        raise self.error("content", f"must be a string, not {_kind(value)}")

    def notify(self) -> tuple[str, ...]:
        value = self.given.get("notify", [])
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, Sequence) or not all(isinstance(name, str) and name for name in names):
            raise self.error("notify", "must be a handler's name or a list of them")
        return tuple(str(name) for name in names)


def _refuse_conflicts(files: Sequence[DesiredFile]) -> None:
    states: dict[str, State] = {}
    for file in files:
        if file.dest in states:
            raise OpsError(f"{file.dest}: is given twice in option files", dest=file.dest, option="dest")
        states[file.dest] = file.state
    for file in files:
        parent = posixpath.dirname(file.dest)
        while parent != "/":
            if file.state != "absent" and states.get(parent, "directory") != "directory":
                raise OpsError(f"{file.dest}: lies below {parent}, which has state {states[parent]}", dest=file.dest)
            parent = posixpath.dirname(parent)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {int: "the number", float: "the number", str: "a string", dict: "a dictionary", list: "a list"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)
