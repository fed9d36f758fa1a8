# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HashiCorp Vault, KV version 2.

KV v2 has versions but no labels, and a plain read returns the newest version. So a pending secret lies at a path of its
own, ``<path>-pending``: a version of the main path, even for a moment, would be what applications get; custom metadata
is shown by listings and in the web interface and takes 512 bytes only. Promoting is one write to the main path with
``cas``. The previous version is marked in custom metadata, which is written before: of the marked versions the newest
one before the current counts, so the mark takes effect with the write to the main path. Ids are ``v<number>``; the
pending one has the number that it will get.

Two paths are not written at once. A pending version names the version that it follows, and is stale when another one is
current by now: it is never promoted, and its value never given out. If it was stored before that one became current, it
may be set at the target, so it is named, by an id of its own, to be dropped. If it was stored after, nobody ever used
it, since its writer looks again before: then nothing is pending, and the next pending version takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .._core.errors import OpsError
from .credential import Credential, Holdings, SecretVersion
from .document import Layout, credential_of, document_with
from .ports import ConflictError
from .vault_client import Answer, VaultClient

PENDING_SUFFIX = "-pending"
MARK = "keelson_previous"
BASE = "keelson_base"
DOCUMENT = "keelson_document"
STALE = "-stale"


@dataclass(frozen=True, slots=True)
class _Main:
    """Metadata of the main path; ``number`` is what cas is compared with, also when that version was deleted."""

    number: int = 0
    live: dict[int, datetime] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)
    most: int = 0

    @property
    def previous(self) -> int | None:
        """The newest marked version before the current one."""
        marked = {int(mark) for mark in self.custom.get(MARK, "").split(",") if mark.isdecimal()}
        return max((number for number in marked if number in self.live and number < self.number), default=None)


@dataclass(frozen=True, slots=True)
class _Pending:
    """``number`` is the version of the pending path, which cas is compared with."""

    base: int
    number: int
    created: datetime
    document: dict[str, Any] = field(repr=False)


class VaultStore:
    """One secret below a KV v2 mount."""

    def __init__(self, client: VaultClient, mount: str, path: str, layout: Layout) -> None:
        self._client = client
        self._mount = mount.strip("/")
        self._path = path.strip("/")
        self._layout = layout
        self._where = layout.where

    def inspect(self) -> Holdings:
        # In this order a pending version is never judged by what was current before it was stored.
        pending, main = self._pending(), self._main()
        previous = main.previous
        return Holdings(
            _version(main.number, main.live.get(main.number)),
            self._named(pending, main),
            _version(previous, main.live.get(previous)) if previous else None,
        )

    def reveal(self, version: SecretVersion) -> Credential:
        pending = self._pending()
        named = self._named(pending, self._main()) if pending else None
        if version.id.endswith(STALE):
            raise ConflictError(f"{self._where}: {self._path} was written after {version.id} became pending")
        if pending and named and named.id == version.id:
            return credential_of(pending.document, self._layout)
        return credential_of(self._data(_number(version)), self._layout)

    def put_pending(self, credential: Credential, seen: Holdings) -> SecretVersion:
        stored, main = self._pending(), self._main()
        if main.most == 1:
            raise OpsError(
                f"{self._where}.secret: {self._path} keeps one version only (max_versions), so the previous one "
                "would be lost before it is revoked; allow at least 2"
            )
        if _id(_version(main.number, main.live.get(main.number))) != _id(seen.current):
            raise ConflictError(f"{self._where}: {self._path} was written meanwhile")
        if stored and not self._is_stale(stored, main):
            raise ConflictError(f"{self._where}: another writer was first with {self._path}{PENDING_SUFFIX}")
        base = self._data(main.number) if seen.current else {}
        content = {BASE: main.number, DOCUMENT: document_with(credential, self._layout, base)}
        self._write(self._path + PENDING_SUFFIX, content, cas=stored.number if stored else 0)
        stored, now = self._pending(), self._main()
        if stored is None or (stored.base, stored.document) != (main.number, content[DOCUMENT]):
            raise ConflictError(f"{self._where}: the pending version of {self._path} was taken away")
        if now.number != main.number:
            self._forget(stored)
            raise ConflictError(f"{self._where}: {self._path} was written meanwhile")
        return SecretVersion(f"v{stored.base + 1}", stored.created)

    def promote(self, seen: Holdings) -> None:
        pending, main = self._pending(), self._main()
        if seen.pending is None:
            raise ConflictError(f"{self._where}: nothing is pending for {self._path}")
        if pending is None:
            if f"v{main.number}" == seen.pending.id:
                return
            raise ConflictError(f"{self._where}: the pending version of {self._path} was taken away")
        if self._is_stale(pending, main):
            raise ConflictError(f"{self._where}: {self._path} was written meanwhile")
        if self._named(pending, main) != seen.pending:
            raise ConflictError(f"{self._where}: the pending version of {self._path} is another one")
        if main.number == pending.base:
            if main.number in main.live:
                self._mark(main, main.number)
            self._write(self._path, pending.document, cas=main.number)
        self._forget(pending)

    def restore(self, seen: Holdings) -> None:
        main = self._main()
        if seen.current is None or seen.previous is None:
            raise ConflictError(f"{self._where}: {self._path} has no previous version")
        if f"v{main.number}" != seen.current.id:
            raise ConflictError(f"{self._where}: {self._path} was written meanwhile")
        data = self._data(_number(seen.previous))
        self._mark(main, main.number)
        self._write(self._path, data, cas=main.number)

    def restored_id(self, seen: Holdings) -> str:
        return f"v{_number(seen.current) + 1}" if seen.current else ""

    def drop_pending(self, seen: Holdings) -> None:
        pending = self._pending()
        if pending and seen.pending and self._named(pending, self._main()) == seen.pending:
            self._forget(pending)

    def drop_previous(self, seen: Holdings) -> None:
        main = self._main()
        if seen.previous and main.previous == _number(seen.previous):
            self._mark(main, None)

    def close(self) -> None:
        """Each request has its own connection."""

    def _main(self) -> _Main:
        answer = self._client.request("GET", f"{self._mount}/metadata/{self._path}")
        if answer.status == 404:
            return _Main()
        data = self._good(answer, "metadata")
        live = {
            int(number): _moment(about["created_time"])
            for number, about in data.get("versions", {}).items()
            if not about.get("deletion_time") and not about.get("destroyed")
        }
        most = int(data.get("max_versions") or 0)
        return _Main(int(data["current_version"]), live, dict(data.get("custom_metadata") or {}), most)

    def _pending(self) -> _Pending | None:
        answer = self._client.request("GET", f"{self._mount}/data/{self._path}{PENDING_SUFFIX}")
        if answer.status == 404:
            return None
        data = self._good(answer, "data")
        content = data.get("data") or {}
        if not isinstance(content.get(BASE), int) or not isinstance(content.get(DOCUMENT), dict):
            raise OpsError(f"{self._where}.secret: {self._path}{PENDING_SUFFIX} is in use for something else; move it")
        about = data["metadata"]
        return _Pending(content[BASE], int(about["version"]), _moment(about["created_time"]), content[DOCUMENT])

    def _is_stale(self, pending: _Pending, main: _Main) -> bool:
        """Whether something else became current. What was promoted, but not forgotten yet, is current itself."""
        if main.number == pending.base:
            return False
        return main.number not in main.live or self._data(main.number) != pending.document

    def _named(self, pending: _Pending | None, main: _Main) -> SecretVersion | None:
        """The pending version as the engine sees it; None when nobody can have used it."""
        if pending is None:
            return None
        if main.number == pending.base:
            return SecretVersion(f"v{main.number + 1}", pending.created)
        if not self._is_stale(pending, main):
            return SecretVersion(f"v{main.number}", pending.created)
        current = main.live.get(main.number)
        if current is not None and pending.created >= current:
            return None
        return SecretVersion(f"v{pending.base + 1}{STALE}", pending.created)

    def _data(self, number: int) -> dict[str, Any]:
        answer = self._client.request("GET", f"{self._mount}/data/{self._path}?version={number}")
        if answer.status == 404:
            raise ConflictError(f"{self._where}: {self._path} has no version {number} any more")
        return dict(self._good(answer, "data").get("data") or {})

    def _write(self, path: str, data: dict[str, Any], *, cas: int) -> None:
        body = {"options": {"cas": cas}, "data": data}
        answer = self._client.request("POST", f"{self._mount}/data/{path}", body)
        if answer.status == 400 and any("check-and-set" in error for error in answer.errors):
            raise ConflictError(f"{self._where}: another writer was first with {path}")
        self._good(answer, "write")

    def _mark(self, main: _Main, number: int | None) -> None:
        custom = {key: value for key, value in main.custom.items() if key != MARK}
        if number is not None:
            custom[MARK] = ",".join(str(marked) for marked in (main.previous, number) if marked is not None)
        body = {"custom_metadata": custom}
        self._good(self._client.request("POST", f"{self._mount}/metadata/{self._path}", body), "metadata")

    def _forget(self, pending: _Pending) -> None:
        """Vault deletes without cas, so look that it is still this one."""
        if self._pending() != pending:
            return
        answer = self._client.request("DELETE", f"{self._mount}/metadata/{self._path}{PENDING_SUFFIX}")
        if answer.status != 404:
            self._good(answer, "delete")

    def _good(self, answer: Answer, what: str) -> dict[str, Any]:
        if answer.status not in (200, 204):
            said = "; ".join(answer.errors)
            raise OpsError(
                f"{self._where}: Vault answered {what} of {self._mount}/{self._path} with {answer.status}: {said}"
            )
        return dict(answer.data.get("data") or {})


def _version(number: int, created: datetime | None) -> SecretVersion | None:
    return None if created is None else SecretVersion(f"v{number}", created)


def _id(version: SecretVersion | None) -> str | None:
    return version.id if version else None


def _number(version: SecretVersion) -> int:
    return int(version.id.removeprefix("v"))


def _moment(text: str) -> datetime:
    """Vault writes nanoseconds, which Python before 3.11 does not read."""
    whole, _unused, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole[:19]).replace(tzinfo=timezone.utc)
    return moment.replace(microsecond=int((fraction[:6] or "0").ljust(6, "0")) if fraction[:6].isdecimal() else 0)
