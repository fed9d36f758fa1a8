# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of one recoverable cluster, from the file that the role wrote for this host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .._backup.settings import Assertion
from .._core import hostconfig
from .._core.errors import OpsError

CONFIG_DIRECTORY = Path("/etc/keelson/pitr")
NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,31}$")


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster, which is a stanza of pgBackRest under the same name; durations in seconds.

    On a host, ``version`` and ``cluster`` are Debian's; else a container is named, or a Compose project and service.
    """

    name: str
    version: str = ""
    cluster: str = "main"
    login_user: str = "postgres"
    login_port: int = 5432
    login_unix_socket: str = "/var/run/postgresql"
    run_as: str = "postgres"
    container: str = ""
    compose_project: str = ""
    compose_service: str = ""
    assertions: tuple[Assertion, ...] = ()
    recovery_timeout: int = 4 * 3600
    stop_timeout: int = 300
    state_dir: str = "/var/lib/keelson/pitr"
    audit_log: str = "/var/log/keelson/pitr.jsonl"
    metrics_dir: str = "/var/lib/prometheus/node-exporter"

    @property
    def in_container(self) -> bool:
        return bool(self.container or self.compose_service)

    @property
    def folder(self) -> Path:
        """Where this host remembers what it did with the cluster."""
        return Path(self.state_dir) / self.name


def parse_settings(options: Mapping[str, Any], where: str) -> Settings:
    """Settings from plain data. Raises OpsError naming the option."""
    known = {item.name: str(item.type) for item in fields(Settings)}
    given = dict(options)
    for key, value in given.items():
        wanted = {"str": str, "int": int}.get(known.get(key, ""))
        if key not in known:
            raise OpsError(f"{where}: unknown option {key!r}")
        if wanted and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise OpsError(f"{where}: {key} must be of type {wanted.__name__}")
    try:
        given["assertions"] = tuple(Assertion(**item) for item in given.get("assertions", ()))
    except TypeError:
        raise OpsError(f"{where}: assertions take sql, database and name") from None
    settings = Settings(**given)
    if not NAME.match(settings.name):
        raise OpsError(f"{where}: name {settings.name!r} may only hold small letters, digits, '_' and '-' (32 at most)")
    if settings.container and settings.compose_service:
        raise OpsError(f"{where}: container and compose_service exclude each other")
    if bool(settings.compose_project) != bool(settings.compose_service):
        raise OpsError(f"{where}: compose_project and compose_service belong together")
    if not settings.in_container and not settings.version:
        raise OpsError(f"{where}: version is needed for a cluster that runs in no container")
    return settings


def load_settings(name: str, directory: Path = CONFIG_DIRECTORY) -> Settings:
    """The settings that the role wrote for this host. Raises OpsError."""
    options = hostconfig.read(name, directory, "cluster", private=False)
    return parse_settings({"name": name, **options}, str(directory / f"{name}.json"))
