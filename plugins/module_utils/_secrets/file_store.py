# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret in files of this host. Pending and previous lie beside it in a state file for this user only (0600).

The visible file says what is current: when it holds the pending value, that was promoted. A value that somebody wrote
by hand is current too, with an id made of the time of the change.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .._core.atomic import write_file
from .._core.clock import Clock
from .._core.errors import OpsError
from .._core.lock import file_lock
from .credential import Credential, Holdings, SecretVersion
from .ports import ConflictError
from .visible_files import Visible

LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A version with its value."""

    version: SecretVersion
    credential: Credential


@dataclass(frozen=True, slots=True)
class State:
    """What the state file and the visible file hold together."""

    current: Kept | None = None
    pending: Kept | None = None
    previous: Kept | None = None

    def find(self, version: SecretVersion | None) -> Kept | None:
        """The kept version of that id."""
        known = (self.pending, self.current, self.previous)
        return next((kept for kept in known if kept and version and kept.version.id == version.id), None)

    @property
    def companion(self) -> str | None:
        """The other value that consumers should accept: the one to come, else the one before."""
        for kept in (self.pending, self.previous):
            if kept and kept.version.id != (self.current.version.id if self.current else None):
                return kept.credential.value
        return None


class FileStore:
    """One secret on this host; ``state_path`` is its own, ``lock_path`` that of the visible file."""

    def __init__(self, visible: Visible, state_path: Path, lock_path: Path, clock: Clock, where: str) -> None:
        self._visible = visible
        self._state_path = state_path
        self._lock_path = lock_path
        self._clock = clock
        self._where = where

    def inspect(self) -> Holdings:
        state = self._state()
        return Holdings(*(kept.version if kept else None for kept in (state.current, state.pending, state.previous)))

    def reveal(self, version: SecretVersion) -> Credential:
        kept = self._state().find(version)
        if kept is None:
            raise ConflictError(f"{self._where}: version {version.id} is not there any more")
        return kept.credential

    def put_pending(self, credential: Credential, seen: Holdings) -> SecretVersion:
        self._visible.refuse(credential)
        with self._locked() as state:
            self._unmoved(state, seen)
            if state.pending:
                raise ConflictError(f"{self._where}: another rotator has a pending version")
            kept = Kept(SecretVersion(uuid.uuid4().hex, self._clock.now()), credential)
            new = State(state.current, kept, state.previous)
            self._save(new)
            if state.current:
                self._visible.write_companion(new.companion)
        return kept.version

    def promote(self, seen: Holdings) -> None:
        with self._locked() as state:
            if seen.pending and state.current and state.current.version.id == seen.pending.id and not state.pending:
                return
            pending = state.find(seen.pending)
            if pending is None:
                raise ConflictError(f"{self._where}: the pending version was taken away")
            promoted = state.current is not None and state.current.version.id == pending.version.id
            previous = state.previous if promoted else state.current
            if not promoted:
                self._unmoved(state, seen)
                self._save(State(state.current, pending, previous))
            final = State(pending, None, previous)
            self._visible.write(pending.credential, final.companion)
            self._save(final)

    def restore(self, seen: Holdings) -> None:
        with self._locked() as state:
            previous = state.find(seen.previous)
            if previous and state.current and state.current.version.id == previous.version.id:
                return
            self._unmoved(state, seen)
            if previous is None or state.current is None:
                raise ConflictError(f"{self._where}: there is no previous version any more")
            final = State(previous, None, state.current)
            self._visible.write(previous.credential, final.companion)
            self._save(final)

    def restored_id(self, seen: Holdings) -> str:
        return seen.previous.id if seen.previous else ""

    def drop_pending(self, seen: Holdings) -> None:
        with self._locked() as state:
            if state.pending and seen.pending and state.pending.version.id == seen.pending.id:
                new = State(state.current, None, state.previous)
                self._visible.write_companion(new.companion)
                self._save(new)

    def drop_previous(self, seen: Holdings) -> None:
        with self._locked() as state:
            if state.previous and seen.previous and state.previous.version.id == seen.previous.id:
                new = State(state.current, state.pending, None)
                self._visible.write_companion(new.companion)
                self._save(new)

    def close(self) -> None:
        """Nothing is open."""

    @contextmanager
    def _locked(self) -> Iterator[State]:
        with file_lock(self._lock_path, purpose="a secret's file", timeout=LOCK_SECONDS, clock=self._clock):
            yield self._state()

    def _unmoved(self, state: State, seen: Holdings) -> None:
        current = state.current.version.id if state.current else None
        if current != (seen.current.id if seen.current else None):
            raise ConflictError(f"{self._where}: the secret was changed meanwhile")

    def _state(self) -> State:
        known = self._load()
        current, pending = known.current, known.pending
        visible = self._visible.read()
        if visible is None:
            return State(None, pending, known.previous)
        if pending and _same(pending, visible):
            # Written by promote, which then ended: the record of current is the one before.
            return State(pending, pending, known.previous)
        if current and _same(current, visible):
            return State(current, pending, known.previous)
        if known.previous and _same(known.previous, visible):
            # Written by restore, which then ended; or by hand, which means the same.
            return State(known.previous, pending, current)
        changed = self._visible.changed()
        found = Kept(SecretVersion(f"by-hand-{int(changed.timestamp())}", changed), visible)
        return State(found, pending, known.previous)

    def _load(self) -> State:
        try:
            raw = json.loads(self._state_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise OpsError(f"{self._where}: {self._state_path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise OpsError(f"{self._where}: {self._state_path} is damaged; remove it if nothing is under way") from None
        return State(*(_kept(raw.get(label)) for label in ("current", "pending", "previous")))

    def _save(self, state: State) -> None:
        labels = {"current": state.current, "pending": state.pending, "previous": state.previous}
        text = json.dumps({label: _raw(kept) for label, kept in labels.items() if kept})
        try:
            self._state_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self._state_path, text.encode())
        except OSError as error:
            raise OpsError(f"{self._where}: {self._state_path} cannot be written: {error.strerror}") from None


def _same(kept: Kept, visible: Credential) -> bool:
    """A file may end with a newline more or less."""
    return kept.credential.value.rstrip("\n") == visible.value.rstrip("\n")


def _raw(kept: Kept) -> dict[str, Any]:
    credential = {"value": kept.credential.value, "attributes": dict(kept.credential.attributes)}
    return {"id": kept.version.id, "created": kept.version.created.isoformat(), **credential}


def _kept(raw: Any) -> Kept | None:
    if not raw:
        return None
    version = SecretVersion(raw["id"], datetime.fromisoformat(raw["created"]))
    return Kept(version, Credential(raw["value"], raw["attributes"]))
