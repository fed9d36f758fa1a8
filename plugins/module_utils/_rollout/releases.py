# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of a project on this host: numbered manifests and the resolved Compose file of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .._core.atomic import write_file
from .._core.errors import OpsError


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """What a service was in a release. ``tag`` is the local name that protects its image; no secret values."""

    image: str
    image_id: str
    image_digests: tuple[str, ...]
    tag: str
    config_hash: str
    content_digest: str
    replicas: int
    containers: tuple[str, ...]
    once: bool = False
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One successful rollout. ``finished`` is seconds since the epoch; ``restored`` the release it went back to.

    ``times`` are the options in seconds that it was deployed with, ``proxies`` its proxies, for a rollback to it.
    """

    number: int
    version: str | None
    finished: float
    seconds: float
    restored: int | None = None
    services: Mapping[str, ServiceRecord] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    proxies: Sequence[Mapping[str, Any]] = ()

    def digests(self) -> dict[str, str]:
        """Which contents each recorded container was given."""
        return {c: record.content_digest for record in self.services.values() for c in record.containers}

    def same_as(self, other: Release) -> bool:
        """Whether both ran the same: images, definitions, contents and numbers."""
        return _identity(self) == _identity(other)


def image_repository(project: str, service: str) -> str:
    """The local repository under which a service's images are kept."""
    return f"keelson-release/{project}/{service}".lower()


class ReleaseStore:
    """``<n>.json`` and ``<n>.compose.json`` in one private directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def all(self) -> list[Release]:
        """Every release, oldest first. Raises OpsError for a manifest that cannot be read."""
        numbers = sorted(int(path.stem) for path in self.directory.glob("*.json") if path.stem.isdigit())
        return [self._read(number) for number in numbers]

    def current(self) -> Release | None:
        releases = self.all()
        return releases[-1] if releases else None

    def compose_file(self, number: int) -> Path:
        return self.directory / f"{number}.compose.json"

    def resolved(self, number: int) -> dict[str, Any]:
        """The resolved project of a release. Raises OpsError when it is missing."""
        try:
            resolved = json.loads(self.compose_file(number).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OpsError(
                f"release {number} cannot be restored: {self.compose_file(number)} is not readable ({error})"
            ) from None
        return dict(resolved)

    def save(self, release: Release, resolved: Mapping[str, Any]) -> None:
        """Keep a release; the manifest comes last and makes it exist."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(self.compose_file(release.number), json.dumps(resolved, indent=1).encode())
        manifest = json.dumps(asdict(release), indent=1, sort_keys=True)
        write_file(self.directory / f"{release.number}.json", manifest.encode())

    def forget(self, number: int) -> None:
        (self.directory / f"{number}.json").unlink(missing_ok=True)
        self.compose_file(number).unlink(missing_ok=True)

    def _read(self, number: int) -> Release:
        path = self.directory / f"{number}.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            services = {name: _record(record) for name, record in raw.pop("services").items()}
            return Release(services=services, **raw)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise OpsError(f"release manifest {path} is not readable ({type(error).__name__}); remove it") from None


def choose_release(releases: list[Release], wanted: str) -> Release:
    """The release to go back to. Raises OpsError naming the kept ones when there is none such."""
    if not releases:
        raise OpsError("there is no release yet to go back to: deploy the project first")
    current, earlier = releases[-1], releases[:-1]
    if wanted == "previous":
        found = [release for release in earlier if not release.same_as(current)]
        # Going back from a restored release means going further back, not forth to the one that was left.
        limit = current.number if current.restored is None else current.restored
        found = [release for release in found if release.number < limit]
    else:
        found = [r for r in releases if r.version == wanted] or [r for r in releases if str(r.number) == wanted]
    if not found:
        kept = ", ".join(f"{r.number} ({r.version})" if r.version else str(r.number) for r in releases)
        raise OpsError(f"release: {wanted} is not kept on this host; kept are {kept} (the last one runs now)")
    return found[-1]


def _identity(release: Release) -> dict[str, tuple[str, str, str, int]]:
    return {
        name: (record.config_hash, record.image_id, record.content_digest, record.replicas)
        for name, record in release.services.items()
        if not record.once
    }


def _record(raw: Mapping[str, Any]) -> ServiceRecord:
    lists = {"image_digests": tuple(raw["image_digests"]), "containers": tuple(raw["containers"])}
    return ServiceRecord(**{**raw, **lists})


def describe(releases: list[Release]) -> dict[str, object]:
    """The releases as a module returns them."""
    return {
        "changed": False,
        "current": releases[-1].number if releases else None,
        "releases": [
            {
                "number": release.number,
                "version": release.version,
                "finished": datetime.fromtimestamp(release.finished, timezone.utc).isoformat(timespec="seconds"),
                "seconds": round(release.seconds, 2),
                "restored": release.restored,
                "services": {
                    name: {"image": record.image, "image_id": record.image_id, "replicas": record.replicas}
                    for name, record in release.services.items()
                },
            }
            for release in releases
        ],
    }
