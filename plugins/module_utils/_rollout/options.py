# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asked for, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._core.errors import OpsError
from .proxy_options import proxies_from
from .registry import Login, logins_from

STATE_ROOT = Path("/var/lib/keelson/releases")


TIMES = {"wait_timeout": 120.0, "stable_for": 3.0, "drain_delay": 0.0, "drain_timeout": 30.0, "watch": 0.0}
"""Options in seconds that a release remembers, and what they are when neither it nor the user says."""


@dataclass(frozen=True, slots=True)
class ServiceSetting:
    """What differs for one service; None leaves it to the Compose files or to the project's option."""

    strategy: str | None = None
    replicas: int | None = None
    parallelism: int | None = None
    wait_timeout: float | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    migrate: tuple[str, ...] = ()
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """One rollout. Paths are absolute; times are seconds; ``given`` names the times that the user chose.

    ``proxies`` are the option's entries as given, None when it was left out.
    """

    state: str
    project: str
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...]
    profiles: tuple[str, ...]
    services: tuple[str, ...]
    settings: Mapping[str, ServiceSetting]
    version: str | None
    release: str
    pull: str
    wait_timeout: float
    stable_for: float
    drain_delay: float
    drain_timeout: float
    watch: float
    hooks: Mapping[str, tuple[str, ...]]
    probe: str | None
    keep_releases: int
    lock_timeout: float
    release_directory: Path
    audit_log: Path
    metrics_directory: Path | None
    given: frozenset[str] = frozenset()
    proxies: tuple[Mapping[str, Any], ...] | None = None
    logins: tuple[Login, ...] = ()
    remove_orphans: bool = False

    def times(self) -> dict[str, float]:
        """The times to remember with a release."""
        return {name: float(getattr(self, name)) for name in TIMES}

    def remembering(self, times: Mapping[str, float]) -> Options:
        """These options with the times of a release where the user chose none."""
        known = {name: value for name, value in times.items() if name in TIMES and name not in self.given}
        return replace(self, **known)  # type: ignore[arg-type]

    def setting(self, service: str) -> ServiceSetting:
        return self.settings.get(service, ServiceSetting())

    def wait_timeout_of(self, service: str) -> float:
        own = self.setting(service).wait_timeout
        return self.wait_timeout if own is None else own


def release_directory_of(project: str, chosen: str | None) -> Path:
    """Where the releases of ``project`` are kept."""
    return Path(chosen) if chosen else STATE_ROOT / project


def options_from(params: Mapping[str, Any]) -> Options:
    """Options from a module's parameters. Raises OpsError naming the option that makes no sense."""
    directory = Path(params["project_directory"] or f"/opt/{params['project']}")
    times = {name: default if params[name] is None else float(params[name]) for name, default in TIMES.items()}
    options = Options(
        state=params["state"],
        project=params["project"],
        directory=directory,
        files=tuple(directory / file for file in params["files"]),
        env_files=tuple(directory / file for file in params["env_files"]),
        profiles=tuple(params["profiles"]),
        services=tuple(params["services"]),
        settings=_settings(params["service_settings"]),
        version=params["version"] or None,
        release=params["release"],
        pull=params["pull"],
        **times,
        given=frozenset(name for name in TIMES if params[name] is not None),
        hooks={moment: tuple(lines) for moment, lines in (params["hooks"] or {}).items() if lines},
        probe=params["probe"] or None,
        keep_releases=params["keep_releases"],
        lock_timeout=params["lock_timeout"],
        release_directory=release_directory_of(params["project"], params["release_directory"]),
        audit_log=Path(params["audit_log"]),
        metrics_directory=Path(params["metrics_directory"]) if params["metrics_directory"] else None,
        logins=logins_from(params["registry"]),
        remove_orphans=params["remove_orphans"],
        proxies=None if params["proxy"] is None else tuple(without_none(entry) for entry in params["proxy"]),
    )
    proxies_from(options.proxies or (), options.project)
    _refuse_nonsense(options)
    return options


def _settings(entries: Sequence[Mapping[str, Any]]) -> dict[str, ServiceSetting]:
    settings: dict[str, ServiceSetting] = {}
    for entry in entries:
        name = entry["name"]
        if name in settings:
            raise OpsError(f"service_settings names service {name} twice; put its settings into one entry")
        settings[name] = ServiceSetting(
            strategy=entry.get("strategy"),
            replicas=entry.get("replicas"),
            parallelism=entry.get("parallelism"),
            wait_timeout=entry.get("wait_timeout"),
            checks=tuple(without_none(check) for check in entry.get("checks") or ()),
            migrate=tuple(entry.get("migrate") or ()),
            image=entry.get("image") or None,
        )
    return settings


def without_none(value: Any) -> Any:
    """A mapping without what was not given, at every depth."""
    if isinstance(value, Mapping):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def _refuse_nonsense(options: Options) -> None:
    if options.keep_releases < 1:
        raise OpsError("keep_releases must be at least 1: the running release is kept")
    for name in (*TIMES, "lock_timeout"):
        if getattr(options, name) < 0:
            raise OpsError(f"{name} must not be negative")
    for service, setting in options.settings.items():
        if setting.replicas is not None and setting.replicas < 0:
            raise OpsError(f"service_settings: replicas of {service} must not be negative")
        if setting.parallelism is not None and setting.parallelism < 1:
            raise OpsError(f"service_settings: parallelism of {service} must be at least 1")
