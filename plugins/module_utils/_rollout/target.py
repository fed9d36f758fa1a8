# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to run: from the Compose files as they are, or from a release as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.atomic import write_file
from .._core.errors import OpsError
from .confidential import Confidential
from .content import contents_of
from .images import pinned, resolve_images
from .options import Options
from .override import OverrideFile
from .plan import check_scale
from .project import Project, in_order, read_project
from .releases import Release, ReleaseStore
from .runtime import ComposeCli, Engine


@dataclass(frozen=True, slots=True)
class Target:
    """The project, those of its services to deploy in order, the ids of their images (None: to be pulled), the CLI.

    ``strategies`` are those that a release to restore was deployed with, ``chosen`` the images that no Compose file of
    the user says.
    """

    project: Project
    services: tuple[str, ...]
    images: Mapping[str, str | None]
    compose: ComposeCli
    restored: int | None = None
    strategies: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)


class Targets:
    """Makes targets; with ``write`` it pulls images and keeps the file of a release to restore."""

    def __init__(
        self,
        options: Options,
        compose: ComposeCli,
        compose_for: Callable[[Path, Mapping[str, Any]], ComposeCli],
        engine: Engine,
        store: ReleaseStore,
        *,
        confidential: Confidential,
    ) -> None:
        self._options = options
        self._compose = compose
        self._compose_for = compose_for
        self._engine = engine
        self._store = store
        self._confidential = confidential
        self._override = OverrideFile(options.directory)

    def from_files(self, *, write: bool) -> Target:
        """The project as its files say. Raises OpsError for files, services or images that cannot be used."""
        options = self._options
        resolved = self._compose.config()
        unknown = sorted(set(options.settings) - set(resolved.get("services") or {}))
        if unknown:
            known = ", ".join(sorted(resolved.get("services") or {}))
            raise OpsError(f"service_settings: {', '.join(unknown)} not in the project; it has {known}")
        images = {name: setting.image for name, setting in options.settings.items() if setting.image}
        chosen = self._override.merged(images, options.services)
        chosen = {name: image for name, image in chosen.items() if name in (resolved.get("services") or {})}
        compose = self._compose.overlaid(chosen)
        resolved = compose.config() if chosen else resolved
        replicas = {name: setting.replicas for name, setting in options.settings.items()}
        project = self._read(resolved, replicas)
        services = in_order(project, options.services)
        for name in services:
            check_scale(project.services[name])
        found = resolve_images(self._engine, project, services, pull=options.pull, write=write)
        return Target(project, services, found, compose, chosen=chosen)

    def from_release(self, release: Release, services: tuple[str, ...], *, write: bool) -> Target:
        """The project as it was in ``release``, without what runs once: a migration does not run backwards."""
        resolved = pinned(self._store.resolved(release.number), release, self._engine)
        path = self._options.release_directory / "restore.compose.json"
        if write:
            write_file(path, json.dumps(resolved).encode())
        replicas = {name: record.replicas for name, record in release.services.items()}
        project = self._read(resolved, replicas)
        wanted = in_order(project, services)
        wanted = tuple(n for n in wanted if n in release.services and not project.services[n].once)
        images = resolve_images(self._engine, project, wanted, pull="missing", write=write)
        strategies = {name: release.services[name].strategy for name in wanted}
        restored = {name: project.services[name].image for name in wanted}
        chosen = {name: restored.get(name, image) for name, image in self._override.images().items()}
        compose = self._compose_for(path, resolved)
        return Target(project, wanted, images, compose, release.number, strategies, chosen)

    def published(self, target: Target) -> bool:
        """Whether a ``docker compose up`` by hand gets the images that were chosen for ``target``."""
        return not self._override.differs(target.chosen)

    def publish(self, target: Target) -> bool:
        """Let a ``docker compose up`` by hand get them too; whether that had to be changed."""
        return self._override.publish(target.chosen)

    def _read(self, resolved: Mapping[str, Any], replicas: Mapping[str, int | None]) -> Project:
        self._confidential.learn(resolved)
        contents = contents_of(resolved, self._options.files)
        return read_project(resolved, self._compose.hashes(resolved), contents, replicas)
