# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that hand secrets to an application on this host: Docker secret files and env files, made of templates.

A template is text with ``${name}`` for the current value of secret ``name``, ``${name.username}`` for an attribute,
``${name.other}`` for the other accepted value (the one to come, else the one before, else nothing), and
``${name.url}`` for the value as it has to stand in a URL. ``$${`` is a literal ``${``.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .._compose.dotenv import render as dotenv
from .._core.atomic import write_file
from .._core.errors import OpsError
from .credential import Credential, SecretVersion
from .ports import ConflictError, Store

_PLACE = re.compile(r"\$?\$\{([A-Za-z0-9][A-Za-z0-9_-]*)(?:\.([a-z_]+))?\}")
OTHER = "other"
OWN_WORDS = frozenset(("value", "url", OTHER))


@dataclass(frozen=True, slots=True)
class Known:
    """A secret as it is delivered: the current credential, and the other one that is accepted at present."""

    current: Credential
    other: Credential | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file. ``content`` is a template; ``entries`` are the templates of an env file's variables."""

    path: Path
    content: str | None = None
    entries: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    group: str | None = None
    mode: int = 0o600

    def names(self) -> set[str]:
        """The secrets that it is made of."""
        return {name for text in self._templates() for name in _names(text)}

    def render(self, known: Mapping[str, Known]) -> bytes:
        """The content. An entry that comes out empty is left out. Raises OpsError for an attribute nobody keeps."""
        if self.content is not None:
            return _filled(self.content, known, self.path).encode()
        made = {name: _filled(text, known, self.path) for name, text in self.entries.items()}
        return dotenv({name: value for name, value in made.items() if value}).encode()

    def _templates(self) -> Sequence[str]:
        return list(self.entries.values()) if self.content is None else [self.content]


def parse_deliveries(raw: Sequence[Mapping[str, Any]], secrets: Sequence[str]) -> tuple[Delivery, ...]:
    """The files of option ``deliver``. Raises OpsError naming the option that makes no sense."""
    made = tuple(_parse(entry, f"deliver[{index}]") for index, entry in enumerate(raw))
    for index, delivery in enumerate(made):
        unknown = sorted(delivery.names() - set(secrets))
        if unknown:
            raise OpsError(
                f"deliver[{index}]: there is no secret {unknown[0]}; there are {', '.join(secrets) or 'none'}"
            )
    return made


def look_up(store: Store) -> Known | None:
    """What the store says at present; None when it has no current version."""
    seen = store.inspect()
    if seen.current is None:
        return None
    rest = [version for version in (seen.pending, seen.previous) if version and version.id != seen.current.id]
    return Known(store.reveal(seen.current), next(filter(None, (_if_there(store, version) for version in rest)), None))


def _if_there(store: Store, version: SecretVersion) -> Credential | None:
    try:
        return store.reveal(version)
    except ConflictError:
        return None


def deliver(
    deliveries: Sequence[Delivery], known: Mapping[str, Known], before: Callable[[], None] = lambda: None
) -> list[Path]:
    """Write the files that differ; the paths of those. All are made before the first is written. Raises OpsError.

    ``before`` is called when something differs, before anything is written.
    """
    made = [(delivery, delivery.render(known)) for delivery in deliveries]
    differing = [(delivery, content) for delivery, content in made if _differs(delivery, content)]
    if differing:
        before()
    for delivery, content in differing:
        _write(delivery, content)
    return [delivery.path for delivery, _content in differing]


def _parse(entry: Mapping[str, Any], where: str) -> Delivery:
    path, content, entries = entry.get("path"), entry.get("content"), entry.get("entries") or {}
    if not path or not Path(path).is_absolute():
        raise OpsError(f"{where}.path: must be an absolute path")
    if (content is None) == (not entries):
        raise OpsError(f"{where}: give exactly one of content and entries")
    owner = None if entry.get("owner") is None else str(entry["owner"])
    mode = str(entry.get("mode") or ("0400" if owner and not entries else "0600"))
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise OpsError(f"{where}.mode: must be an octal number as 0400, not {mode}")
    group = None if entry.get("group") is None else str(entry["group"])
    return Delivery(Path(path), content, {str(k): str(v) for k, v in entries.items()}, owner, group, int(mode, 8))


def _names(template: str) -> list[str]:
    return [found[1] for found in _PLACE.finditer(template) if not found[0].startswith("$$")]


def _filled(template: str, known: Mapping[str, Known], path: Path) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        secret, word = known[found[1]], found[2] or "value"
        if word == OTHER:
            return secret.other.value if secret.other else ""
        if word in OWN_WORDS:
            return quote(secret.current.value, safe="") if word == "url" else secret.current.value
        if word not in secret.current.attributes:
            raise OpsError(f"{path}: the store keeps no {word} of secret {found[1]} (option store.attribute_keys)")
        return secret.current.attributes[word]

    return _PLACE.sub(fill, template)


def _differs(delivery: Delivery, content: bytes) -> bool:
    path = delivery.path
    try:
        status = path.lstat()
        found = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        return found != (delivery.mode, *_account(delivery)) or path.read_bytes() != content
    except FileNotFoundError:
        return True
    except OSError as error:
        raise OpsError(f"{path}: cannot be read: {error.strerror}") from None


def _write(delivery: Delivery, content: bytes) -> None:
    path = delivery.path
    uid, gid = _account(delivery)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, content, mode=delivery.mode, uid=uid, gid=gid)
    except OSError as error:
        raise OpsError(f"{path}: cannot be written: {error.strerror}") from None


def _account(delivery: Delivery) -> tuple[int, int]:
    path = delivery.path
    return (
        _number(delivery.owner, os.geteuid(), lambda name: pwd.getpwnam(name).pw_uid, f"{path}: owner"),
        _number(delivery.group, os.getegid(), lambda name: grp.getgrnam(name).gr_gid, f"{path}: group"),
    )


def _number(name: str | None, own: int, find: Callable[[str], int], where: str) -> int:
    if name is None:
        return own
    if name.isdigit():
        return int(name)
    try:
        return find(name)
    except KeyError:
        raise OpsError(f"{where}: there is no {name} on this host") from None
