# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of one backup, from a module's options or the host's configuration file: the same names in both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timezone, tzinfo
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from .._core.duration import parse_duration
from .._core.errors import OpsError
from .retention import Retention

CONFIG_DIRECTORY = Path("/etc/keelson/backup")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")


@dataclass(frozen=True, slots=True)
class Source:
    """Where PostgreSQL is: a server over TCP or a socket, or a container whose own programs are used."""

    login_host: str | None = None
    login_port: int = 5432
    login_user: str = "postgres"
    login_password: str | None = field(default=None, repr=False)
    login_unix_socket: str | None = None
    ssl_mode: str = "prefer"
    ca_cert: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    run_as: str | None = None
    bin_dir: str | None = None
    container: str | None = None
    compose_project: str | None = None
    compose_service: str | None = None

    @property
    def in_container(self) -> bool:
        return bool(self.container or self.compose_service)


@dataclass(frozen=True, slots=True)
class DirectoryDestination:
    """A directory on this host."""

    path: str


@dataclass(frozen=True, slots=True)
class S3Destination:
    """A bucket of S3 or of a service that speaks its protocol."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    credentials_file: str | None = None
    profile: str | None = None
    server_side_encryption: str | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None
    ca_bundle: str | None = None
    max_attempts: int = 6


@dataclass(frozen=True, slots=True)
class Assertion:
    """A question in SQL that a restored database must answer with true."""

    sql: str
    database: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """One backup of one or more databases of one server."""

    name: str
    databases: tuple[str, ...]
    source: Source
    destinations: tuple[DirectoryDestination | S3Destination, ...]
    retention: Retention = field(default_factory=Retention)
    globals: bool = True
    max_age: float | None = None
    timezone: str = "UTC"
    compression_level: int = 3
    compression_threads: int = 2
    encryption_recipients: tuple[str, ...] = ()
    decryption_identity: str | None = None
    lock_timeout: float = 60
    lock_wait_timeout: float = 300
    assertions: tuple[Assertion, ...] = ()
    state_dir: str = "/var/lib/keelson/backup"
    audit_log: str = "/var/log/keelson/backup.jsonl"
    metrics_dir: str | None = "/var/lib/prometheus/node-exporter"

    @property
    def zone(self) -> tzinfo:
        # Without package tzdata even this name is unknown to ZoneInfo.
        return timezone.utc if self.timezone == "UTC" else ZoneInfo(self.timezone)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret these settings hold, for masking."""
        found = [self.source.login_password]
        for destination in self.destinations:
            if isinstance(destination, S3Destination):
                found += [destination.secret_key, destination.session_token]
        return tuple(secret for secret in found if secret)


_Data = TypeVar("_Data")
_FLAT = frozenset(f.name for f in fields(Source))


def parse_settings(options: Mapping[str, Any], where: str = "options") -> Settings:
    """Settings from plain data; source options lie flat beside the others. Raises OpsError naming the option."""
    given = {key: value for key, value in options.items() if value is not None}
    source = _build(Source, {key: given.pop(key) for key in list(given) if key in _FLAT}, where)
    databases = tuple(given.pop("databases", ()))
    if not databases or not all(isinstance(name, str) and name for name in databases):
        raise OpsError(f"{where}: databases must name at least one database")
    if len(set(databases)) != len(databases):
        raise OpsError(f"{where}: databases names a database twice")
    name = given.pop("name", databases[0])
    if not isinstance(name, str) or not _NAME.match(name):
        raise OpsError(f"{where}: name {name!r} may only hold letters, digits, '.', '_' and '-' (41 at most)")
    destinations = tuple(_destination(item, where) for item in given.pop("destinations", ()))
    if not destinations:
        raise OpsError(f"{where}: destinations must hold at least one destination")
    retention = _build(Retention, given.pop("retention", {}), f"{where}: retention")
    assertions = tuple(_build(Assertion, item, f"{where}: assertions") for item in given.pop("assertions", ()))
    for option in ("max_age", "lock_timeout", "lock_wait_timeout"):
        if option in given:
            given[option] = parse_duration(given[option], f"{where}: {option}")
    if "encryption_recipients" in given:
        given["encryption_recipients"] = tuple(given["encryption_recipients"])
    parts = {"name": name, "databases": databases, "source": source, "destinations": destinations}
    settings = _build(Settings, {**given, **parts, "retention": retention, "assertions": assertions}, where)
    _check(settings, where)
    return settings


def settings_of_module(params: Mapping[str, Any]) -> Settings:
    """Settings from a module's parameters: those of a backup configured on this host by ``config``, or all given."""
    given = dict(params)
    config = given.pop("config")
    if config is None:
        return parse_settings(given)
    # The age in the file is for repeated runs of the role; the task says itself how old a backup may be.
    age = given.get("max_age")
    max_age = None if age is None else parse_duration(age, "options: max_age")
    return replace(load_settings(config), max_age=max_age)


def load_settings(name: str, directory: Path = CONFIG_DIRECTORY) -> Settings:
    """The settings that the role wrote for this host. Raises OpsError."""
    path = directory / f"{name}.json"
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(configured(directory)) or "none"
        raise OpsError(f"no backup is configured as {name!r} in {directory} (there: {known})") from None
    except PermissionError:
        raise OpsError(f"{path} is not readable for this user; run this as root") from None
    except ValueError as error:
        raise OpsError(f"{path} is not JSON: {error}") from None
    if path.stat().st_mode & 0o077:
        raise OpsError(f"{path} can be read by others although it may hold secrets; chmod 0600 it")
    return parse_settings({"name": name, **options}, str(path))


def configured(directory: Path = CONFIG_DIRECTORY) -> list[str]:
    """Names of the backups configured on this host."""
    return sorted(path.stem for path in directory.glob("*.json"))


def _destination(item: Mapping[str, Any], where: str) -> DirectoryDestination | S3Destination:
    given = {key: value for key, value in item.items() if value is not None}
    kind = given.pop("type", None)
    if kind == "directory":
        directory = _build(DirectoryDestination, given, f"{where}: destinations")
        if not directory.path.startswith("/"):
            raise OpsError(f"{where}: destinations: path {directory.path!r} is not absolute")
        return directory
    if kind == "s3":
        return _build(S3Destination, given, f"{where}: destinations")
    raise OpsError(f"{where}: destinations: type {kind!r} is neither directory nor s3")


def _build(cls: type[_Data], given: Mapping[str, Any], where: str) -> _Data:
    given = {key: value for key, value in given.items() if value is not None}
    annotations = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    for key, value in given.items():
        if key not in annotations:
            raise OpsError(f"{where}: unknown option {key!r}")
        wanted = annotations[key].split(" |", maxsplit=1)[0]
        types: tuple[type, ...] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}.get(wanted, ())
        if types and (not isinstance(value, types) or (isinstance(value, bool) and wanted != "bool")):
            raise OpsError(f"{where}: {key} must be of type {wanted}")
    try:
        return cls(**given)
    except TypeError as error:
        raise OpsError(f"{where}: {str(error).rsplit('__init__() ', maxsplit=1)[-1]}") from None


def _check(settings: Settings, where: str) -> None:
    source = settings.source
    if source.container and source.compose_service:
        raise OpsError(f"{where}: container and compose_service exclude each other")
    if bool(source.compose_project) != bool(source.compose_service):
        raise OpsError(f"{where}: compose_project and compose_service belong together")
    if source.in_container and (source.login_host or source.login_unix_socket or source.bin_dir):
        raise OpsError(f"{where}: login_host, login_unix_socket and bin_dir are not for a server in a container")
    if source.login_host and source.login_unix_socket:
        raise OpsError(f"{where}: login_host and login_unix_socket exclude each other")
    rule = settings.retention
    for option in ("days", "daily", "weekly", "monthly"):
        if (getattr(rule, option) or 0) < 0:
            raise OpsError(f"{where}: retention: {option} is negative")
    if rule.min_keep < 1:
        raise OpsError(f"{where}: retention: min_keep must be at least 1")
    try:
        settings.zone  # noqa: B018
    except (KeyError, ValueError, OSError):
        raise OpsError(f"{where}: timezone {settings.timezone!r} is not known on this host (package tzdata)") from None
