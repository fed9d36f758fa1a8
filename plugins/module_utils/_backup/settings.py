# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of one backup, from a module's options or the host's configuration file: the same names in both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timezone, tzinfo
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from .._core import hostconfig
from .._core.duration import parse_duration
from .._core.errors import OpsError
from .retention import Retention

CONFIG_DIRECTORY = Path("/etc/keelson/backup")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")
COMPRESSION_PROGRAMS = ("auto", "zstd", "pg_dump")
# Names of databases are escaped so that none becomes this.
COMMANDS_FOLDER = "@commands"


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
class CommandSource:
    """Anything that writes a dump to its standard output. ``verify_command`` reads one to its end."""

    command: tuple[str, ...]
    command_env: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify_command: tuple[str, ...] = ()


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
    object_lock_mode: str | None = None
    object_lock_days: int | None = None
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
    """One backup: of databases of one server, or of what ``command`` writes; ``databases`` then is its name."""

    name: str
    databases: tuple[str, ...]
    source: Source
    destinations: tuple[DirectoryDestination | S3Destination, ...]
    command: CommandSource | None = None
    retention: Retention = field(default_factory=Retention)
    globals: bool = True
    max_age: float | None = None
    timezone: str = "UTC"
    compression_level: int = 2
    compression_threads: int = 2
    compression_program: str = "auto"
    encryption_recipients: tuple[str, ...] = ()
    encryption_gpg_keys: tuple[str, ...] = ()
    decryption_identity: str | None = None
    decryption_passphrase_file: str | None = None
    lock_timeout: float = 60
    lock_wait_timeout: float = 300
    stall_timeout: float = 1800
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
        found = [self.source.login_password, *(self.command.command_env.values() if self.command else ())]
        for destination in self.destinations:
            if isinstance(destination, S3Destination):
                found += [destination.secret_key, destination.session_token]
        return tuple(secret for secret in found if secret)


_Data = TypeVar("_Data")
_FLAT = frozenset(f.name for f in fields(Source))


def parse_settings(options: Mapping[str, Any], where: str = "options") -> Settings:
    """Settings from plain data; source options lie flat beside the others. Raises OpsError naming the option."""
    given = {key: value for key, value in options.items() if value is not None}
    kind = given.pop("source", "postgres")
    source = _build(Source, {key: given.pop(key) for key in list(given) if key in _FLAT}, where)
    command = _command(kind, given, where)
    databases = _databases(command, given, where)
    name = given.pop("name", databases[0])
    if not isinstance(name, str) or not _NAME.match(name):
        raise OpsError(f"{where}: name {name!r} may only hold letters, digits, '.', '_' and '-' (41 at most)")
    destinations = tuple(_destination(item, where) for item in given.pop("destinations", ()))
    if not destinations:
        raise OpsError(f"{where}: destinations must hold at least one destination")
    retention = _build(Retention, given.pop("retention", {}), f"{where}: retention")
    assertions = tuple(_build(Assertion, item, f"{where}: assertions") for item in given.pop("assertions", ()))
    for option in ("max_age", "lock_timeout", "lock_wait_timeout", "stall_timeout"):
        if option in given:
            given[option] = parse_duration(given[option], f"{where}: {option}")
    for option in ("encryption_recipients", "encryption_gpg_keys"):
        given[option] = tuple(given.get(option, ()))
    parts = {
        "name": name,
        "databases": databases,
        "source": source,
        "command": command,
        "destinations": destinations,
    }
    settings = _build(Settings, {**given, **parts, "retention": retention, "assertions": assertions}, where)
    _check(settings, where)
    return settings


def _command(kind: Any, given: dict[str, Any], where: str) -> CommandSource | None:
    options = {f.name: given.pop(f.name) for f in fields(CommandSource) if f.name in given}
    if kind == "postgres":
        if options:
            raise OpsError(f"{where}: {next(iter(options))} is only for source command")
        return None
    if kind != "command":
        raise OpsError(f"{where}: source {kind!r} is neither postgres nor command")
    for option in ("command", "verify_command"):
        words = options.get(option, ())
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise OpsError(f"{where}: {option} must be a list: the program and each of its arguments")
        options[option] = tuple(words)
    if not options["command"]:
        raise OpsError(f"{where}: source command needs a command that writes a dump to its standard output")
    options["command_env"] = {str(key): str(value) for key, value in options.get("command_env", {}).items()}
    return CommandSource(**options)


def _databases(command: CommandSource | None, given: dict[str, Any], where: str) -> tuple[str, ...]:
    databases = tuple(given.pop("databases", ()))
    if command is not None:
        name = given.get("name")
        if not name or databases not in ((), (name,)):
            raise OpsError(
                f"{where}: source command needs a name, which is also that of what it backs up; no databases"
            )
        return (name,)
    if not databases or not all(isinstance(name, str) and name for name in databases):
        raise OpsError(f"{where}: databases must name at least one database")
    if len(set(databases)) != len(databases):
        raise OpsError(f"{where}: databases names a database twice")
    return databases


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


def with_server(settings: Settings, options: Mapping[str, Any], where: str) -> Settings:
    """The same backup with another server, described by connection options only. Raises OpsError naming the option."""
    changed = replace(settings, source=_build(Source, options, where))
    _check(changed, where)
    return changed


def load_settings(name: str, directory: Path = CONFIG_DIRECTORY) -> Settings:
    """The settings that the role wrote for this host. Raises OpsError."""
    options = hostconfig.read(name, directory, "backup", private=True)
    settings = parse_settings({"name": name, **options}, str(directory / f"{name}.json"))
    _refuse_shared_places(settings, directory)
    return settings


def placed(
    destination: DirectoryDestination | S3Destination, settings: Settings
) -> DirectoryDestination | S3Destination:
    """Where in ``destination`` the points are: those of commands apart, in a folder that no database's can be."""
    if settings.command is None:
        return destination
    if isinstance(destination, S3Destination):
        return replace(destination, prefix=f"{destination.prefix.strip('/')}/{COMMANDS_FOLDER}".lstrip("/"))
    return replace(destination, path=f"{destination.path.rstrip('/')}/{COMMANDS_FOLDER}")


def places(settings: Settings) -> set[tuple[str, ...]]:
    """The folders that hold the points of ``settings``; two backups must never share one."""
    found: set[tuple[str, ...]] = set()
    for destination in (placed(item, settings) for item in settings.destinations):
        for database in settings.databases:
            if isinstance(destination, S3Destination):
                prefix = destination.prefix.strip("/")
                found.add((destination.endpoint_url or "", destination.bucket, prefix, database))
            else:
                found.add((destination.path.rstrip("/"), database))
    return found


def _refuse_shared_places(settings: Settings, directory: Path) -> None:
    """Another server's database of the same name would be taken for the same, by retention and by ``latest``."""
    mine = places(settings)
    for name in hostconfig.configured(directory):
        if name == settings.name:
            continue
        try:
            other = parse_settings({"name": name, **hostconfig.read(name, directory, "backup", private=False)})
        except OpsError:
            # Its own run will tell.
            continue
        if common := mine & places(other):
            where = "/".join(part for part in min(common) if part)
            raise OpsError(
                f"backups {settings.name} and {name} of this host both keep their points in {where}; "
                "give one of them another path or prefix (option destinations)"
            )


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
    if settings.command and (source.in_container or source.login_host or source.login_unix_socket):
        raise OpsError(f"{where}: options of a PostgreSQL server are not for source command")
    if settings.encryption_recipients and settings.encryption_gpg_keys:
        raise OpsError(f"{where}: encryption_recipients and encryption_gpg_keys exclude each other")
    if settings.compression_program not in COMPRESSION_PROGRAMS:
        raise OpsError(f"{where}: compression_program must be one of {', '.join(COMPRESSION_PROGRAMS)}")
    if settings.stall_timeout < 1:
        raise OpsError(f"{where}: stall_timeout must be at least 1 second")
    for destination in settings.destinations:
        if isinstance(destination, S3Destination):
            _check_lock(destination, where)
    if source.container and source.compose_service:
        raise OpsError(f"{where}: container and compose_service exclude each other")
    if bool(source.compose_project) != bool(source.compose_service):
        raise OpsError(f"{where}: compose_project and compose_service belong together")
    if source.in_container and (source.login_host or source.login_unix_socket or source.bin_dir):
        raise OpsError(f"{where}: login_host, login_unix_socket and bin_dir are not for a server in a container")
    if source.login_host and source.login_unix_socket:
        raise OpsError(f"{where}: login_host and login_unix_socket exclude each other")
    _check_retention(settings, where)


def _check_lock(destination: S3Destination, where: str) -> None:
    mode, days = destination.object_lock_mode, destination.object_lock_days
    if (mode is None) != (days is None):
        raise OpsError(f"{where}: destinations: object_lock_mode and object_lock_days belong together")
    if mode not in (None, "GOVERNANCE", "COMPLIANCE"):
        raise OpsError(f"{where}: destinations: object_lock_mode {mode!r} is neither GOVERNANCE nor COMPLIANCE")
    if days is not None and days < 1:
        raise OpsError(f"{where}: destinations: object_lock_days must be at least 1")


def _check_retention(settings: Settings, where: str) -> None:
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
