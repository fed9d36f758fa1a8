# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an application reads of a secret that is kept in files: entries of an env file, or files of their own."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from .._core.atomic import write_file
from .._core.errors import OpsError
from .credential import Credential
from .env_text import entry, with_entry


@dataclass(frozen=True, slots=True)
class Ownership:
    """Of the visible files; None keeps what a file has, and is ``default_mode`` and this user's for a new one."""

    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    default_mode: int = 0o600


class Visible(Protocol):
    """The credential as applications see it."""

    def read(self) -> Credential | None:
        """What is there now; None when there is nothing."""

    def changed(self) -> datetime:
        """When it was last written, in UTC."""

    def refuse(self, credential: Credential) -> None:
        """Raises OpsError for what the format cannot hold, before anything is done with it."""

    def write(self, credential: Credential, companion: str | None) -> None:
        """Replace it: the value last, so that it tells that everything else is there. Raises OpsError."""

    def write_companion(self, companion: str | None) -> None:
        """Replace, or remove, only the other accepted secret."""


@dataclass(frozen=True, slots=True)
class EnvEntries:
    """Entries of one env file, all replaced at once; other lines stay. The caller holds the file's lock."""

    path: Path
    key: str
    attribute_keys: Mapping[str, str]
    companion: str | None
    ownership: Ownership

    def read(self) -> Credential | None:
        text = _read(self.path) or ""
        value = entry(text, self.key)
        if not value:
            return None
        found = {name: entry(text, at) for name, at in self.attribute_keys.items()}
        return Credential(value, {name: known for name, known in found.items() if known})

    def changed(self) -> datetime:
        return _changed(self.path)

    def refuse(self, credential: Credential) -> None:
        with_entry("", self.key, credential.value)

    def write(self, credential: Credential, companion: str | None) -> None:
        text = _read(self.path) or ""
        for name, at in self.attribute_keys.items():
            if name in credential.attributes:
                text = with_entry(text, at, credential.attributes[name])
        self._replace(with_entry(text, self.key, credential.value), companion)

    def write_companion(self, companion: str | None) -> None:
        self._replace(_read(self.path) or "", companion)

    def _replace(self, text: str, companion: str | None) -> None:
        if self.companion:
            text = with_entry(text, self.companion, companion)
        if text != (_read(self.path) or ""):
            _write(self.path, text, self.ownership)


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """A Docker secret file, and one more for each attribute and for the companion."""

    path: Path
    attribute_paths: Mapping[str, str]
    companion: str | None
    ownership: Ownership

    def read(self) -> Credential | None:
        value = _read(self.path)
        if not value:
            return None
        found = {name: _read(Path(at)) for name, at in self.attribute_paths.items()}
        return Credential(_chomp(value), {name: _chomp(known) for name, known in found.items() if known})

    def changed(self) -> datetime:
        return _changed(self.path)

    def refuse(self, credential: Credential) -> None:
        """A file holds every text."""

    def write(self, credential: Credential, companion: str | None) -> None:
        self.write_companion(companion)
        for name, at in self.attribute_paths.items():
            if name in credential.attributes:
                self._replace(Path(at), credential.attributes[name])
        self._replace(self.path, credential.value)

    def write_companion(self, companion: str | None) -> None:
        if not self.companion:
            return
        # A container's mount of the file breaks when it goes, so it stays and is empty.
        if companion is not None or Path(self.companion).exists():
            self._replace(Path(self.companion), companion or "")

    def _replace(self, path: Path, text: str) -> None:
        if _read(path) != text:
            _write(path, text, self.ownership)


def _chomp(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise OpsError(f"{path} is no text (option store.path)") from None
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror} (option store.path)") from None


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)


def _write(path: Path, text: str, ownership: Ownership) -> None:
    try:
        status = path.stat() if path.exists() else None
        mode = (
            int(ownership.mode, 8)
            if ownership.mode
            else (status.st_mode & 0o7777 if status else ownership.default_mode)
        )
        uid = pwd.getpwnam(ownership.owner).pw_uid if ownership.owner else (status.st_uid if status else -1)
        gid = grp.getgrnam(ownership.group).gr_gid if ownership.group else (status.st_gid if status else -1)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(path, text.encode(), mode=mode, uid=uid, gid=gid)
    except KeyError as error:
        raise OpsError(f"{path}: there is no such user or group: {error.args[0]} (options owner, group)") from None
    except ValueError:
        raise OpsError(f"{path}: mode must be an octal number as 0400, not {ownership.mode} (option mode)") from None
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror} (option store.path)") from None
