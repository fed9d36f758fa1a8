# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .._core.clock import Clock
from .._core.errors import OpsError
from .aws_client import AwsAccess
from .aws_client import connect as connect_aws
from .aws_store import AwsStore
from .document import Layout
from .file_store import FileStore
from .ports import Store
from .store_options import AWS, ENV_FILE, FILE, VAULT
from .vault_client import VaultAccess, VaultClient
from .vault_store import VaultStore
from .visible_files import EnvEntries, Ownership, SecretFiles, Visible

T = TypeVar("T")
NEEDED = {AWS: ("secret",), VAULT: ("secret",), ENV_FILE: ("path", "key"), FILE: ("path",)}


class Connections:
    """Clients that the stores of one run share: making one costs more than using it."""

    def __init__(self) -> None:
        self._known: dict[object, object] = {}
        self._lock = threading.Lock()

    def shared(self, access: object, make: Callable[[], T]) -> T:
        """What ``make`` made for equal ``access`` before, or makes now."""
        with self._lock:
            if access not in self._known:
                self._known[access] = make()
            return self._known[access]  # type: ignore[return-value]


def open_store(store: Mapping[str, Any], where: str, clock: Clock, connections: Connections | None = None) -> Store:
    """The store that the options (STORE) describe. Raises OpsError naming the option below ``where``."""
    kind = store.get("type")
    if kind not in NEEDED:
        raise OpsError(f"{where}.type: must be one of {', '.join(NEEDED)}")
    missing = [name for name in NEEDED[kind] if not store.get(name)]
    if missing:
        raise OpsError(f"{where}.{missing[0]}: is needed with type {kind}")
    connections = connections or Connections()
    if kind == AWS:
        return _aws(store, where, connections)
    if kind == VAULT:
        return _vault(store, where, clock, connections)
    return _files(store, where, clock)


def _aws(store: Mapping[str, Any], where: str, connections: Connections) -> Store:
    access = AwsAccess(**{name: store.get(name) for name in AwsAccess.__dataclass_fields__})
    client = connections.shared(access, lambda: connect_aws(access, where))
    layout = Layout(store.get("key"), store.get("attribute_keys") or {}, where)
    return AwsStore(client, store["secret"], layout, store.get("kms_key"))


def _vault(store: Mapping[str, Any], where: str, clock: Clock, connections: Connections) -> Store:
    given = {name: store[name] for name in VaultAccess.__dataclass_fields__ if store.get(name) is not None}
    access = VaultAccess(**given)
    client = connections.shared(access, lambda: VaultClient(access, where, clock))
    layout = Layout(store.get("key") or "value", store.get("attribute_keys") or {}, where)
    return VaultStore(client, store.get("mount") or "secret", store["secret"], layout)


def _files(store: Mapping[str, Any], where: str, clock: Clock) -> Store:
    path = Path(store["path"])
    owner, group, mode = store.get("owner"), store.get("group"), store.get("mode")
    attribute_keys = store.get("attribute_keys") or {}
    visible: Visible
    if store["type"] == ENV_FILE:
        ownership = Ownership(owner, group, mode, 0o600)
        visible = EnvEntries(path, store["key"], attribute_keys, store.get("companion"), ownership)
        state = path.with_name(f".{path.name.lstrip('.')}.{store['key']}.keelson.json")
    else:
        visible = SecretFiles(path, attribute_keys, store.get("companion"), Ownership(owner, group, mode, 0o400))
        state = path.with_name(f".{path.name.lstrip('.')}.keelson.json")
    lock = path.with_name(f".{path.name.lstrip('.')}.keelson.lock")
    return FileStore(visible, state, lock, clock, where)
