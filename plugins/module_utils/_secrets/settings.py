# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of one application as a file on the host describes them: the options of secret_rotate, and deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core import hostconfig
from .._core.atomic import write_file
from .._core.clock import Clock, SystemClock
from .._core.command import SubprocessRunner
from .._core.errors import OpsError
from .._rollout.options import without_none
from .application import Application, application_from
from .deliver import Delivery, Known, deliver, look_up, parse_deliveries
from .stores import Connections, open_store

CONFIG_DIRECTORY = Path("/etc/keelson/secrets")
POLL_SECONDS = 2.0
DEFAULTS: Mapping[str, Any] = {
    "state": "rotated",
    "store": None,
    "apply": None,
    "force": False,
    "max_age": "90d",
    "overlap": "1h",
    "test_timeout": 60.0,
    "rejections": 5,
    "lock_timeout": 600.0,
    "state_directory": "/var/lib/keelson/secrets",
    "audit_log": "/var/log/keelson/secrets.jsonl",
    "metrics_directory": "/var/lib/prometheus/node-exporter",
}
_ENTRY: Mapping[str, Any] = {
    "store": None,
    "target": None,
    "policy": None,
    "initial": None,
    "initial_attributes": None,
    "max_age": None,
    "overlap": None,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """``rotates`` is False on hosts that only take up what another host rotates. Options may hold passwords."""

    name: str
    rotates: bool
    options: Mapping[str, Any] = field(repr=False)
    deliveries: tuple[Delivery, ...] = field(repr=False)

    @property
    def names(self) -> list[str]:
        return [entry["name"] for entry in self.options["secrets"]]

    def only(self, names: Sequence[str]) -> dict[str, Any]:
        """The options for some of the secrets, for all without ``names``. Raises OpsError for one that is not there.

        In journals and metrics of the host, which are of all applications, a secret is called ``application.name``.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise OpsError(f"{self.name} has no secret {unknown[0]}; there are {', '.join(self.names)}")
        chosen = [
            {**entry, "name": f"{self.name}.{entry['name']}"}
            for entry in self.options["secrets"]
            if not names or entry["name"] in names
        ]
        return {**self.options, "secrets": chosen}

    def known(self, clock: Clock, patience: float = 0.0) -> dict[str, Known]:
        """The values of the secrets that files are made of.

        Raises OpsError naming one that does not exist after ``patience`` seconds: another host may be making it.
        """
        deadline = clock.monotonic() + patience
        needed = {name for delivery in self.deliveries for name in delivery.names()}
        connections, found = Connections(), {}
        for index, entry in enumerate(self.options["secrets"]):
            if entry["name"] not in needed:
                continue
            options = {**without_none(self.options["store"] or {}), **without_none(entry["store"] or {})}
            store = open_store(options, f"secrets[{index}].store", clock, connections)
            try:
                while (known := look_up(store)) is None and clock.monotonic() < deadline:
                    clock.sleep(POLL_SECONDS)
            finally:
                store.close()
            if known is None:
                raise OpsError(f"the store has no secret {entry['name']} yet; it is made where {self.name} is rotated")
            found[entry["name"]] = known
        return found

    def application(self, tell: Callable[[str], None]) -> Application:
        """What uses the files, as option ``apply`` describes it."""
        return application_from(self.options["apply"], SystemClock(), SubprocessRunner(), tell)

    def deliver(self, clock: Clock, patience: float = 0.0) -> list[Path]:
        """Write the files that differ from what the stores say; the paths of those. Raises OpsError as ``known``.

        From before the first is written, a mark tells that the application may not use them yet.
        """
        if not self.deliveries:
            return []
        return deliver(self.deliveries, self.known(clock, patience), self._tell_unused)

    def supply(self, application: Application | None, clock: Clock) -> list[Path]:
        """Deliver; then have ``application`` use what it may not use yet, also when an earlier run was killed."""
        written = self.deliver(clock)
        if application is not None and self._mark.exists():
            application.use()
            self.used()
        return written

    def used(self) -> None:
        """The application uses what was delivered."""
        self._mark.unlink(missing_ok=True)

    def _tell_unused(self) -> None:
        self._mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(self._mark, b"")

    @property
    def _mark(self) -> Path:
        return Path(self.options["state_directory"]) / f"{self.name}.unused"


@dataclass(frozen=True, slots=True)
class SuppliedApplication:
    """An application that gets its files before it is told to use them."""

    settings: Settings
    inner: Application
    clock: Clock

    @property
    def is_told(self) -> bool:
        return bool(self.settings.deliveries) or self.inner.is_told

    def use(self) -> None:
        self.settings.deliver(self.clock)
        self.inner.use()
        self.settings.used()

    def check(self) -> None:
        self.inner.check()


def load_settings(name: str, directory: Path = CONFIG_DIRECTORY) -> Settings:
    """The settings of one application. Raises OpsError."""
    return settings_from(name, hostconfig.read(name, directory, "application with secrets", private=True))


def settings_from(name: str, raw: Mapping[str, Any]) -> Settings:
    """Check what the file holds. Raises OpsError."""
    unknown = sorted(set(raw) - set(DEFAULTS) - {"secrets", "deliver", "rotates"})
    if unknown:
        raise OpsError(f"{name}: no such option: {unknown[0]}")
    secrets = []
    for index, entry in enumerate(raw.get("secrets") or ()):
        strange = sorted(set(entry) - set(_ENTRY) - {"name"})
        if strange or not entry.get("name"):
            raise OpsError(f"{name}: secrets[{index}]: {strange[0] if strange else 'name'} is unknown or missing")
        secrets.append({**_ENTRY, **entry})
    options = {**DEFAULTS, **{key: value for key, value in raw.items() if key in DEFAULTS}, "secrets": secrets}
    deliveries = parse_deliveries(raw.get("deliver") or (), [entry["name"] for entry in secrets])
    return Settings(name, bool(raw.get("rotates", True)), options, deliveries)
