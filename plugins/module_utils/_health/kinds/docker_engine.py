# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the Docker Engine for the containers of a target, through its SDK."""

from __future__ import annotations

import contextlib
from types import ModuleType
from typing import Any

from ..outcome import UnhealthyError
from ..resources import Resources, library
from ..restarts import Restarts
from ..spec import Probe
from ..threads import Serial
from .docker import Container, DockerTarget, judge


def make_probe(target: DockerTarget, resources: Resources) -> Probe:
    """The probe of ``target``. Raises MissingLibraryError without the SDK."""
    engine = _Engine(library("docker", "python3-docker"), target)
    resources.on_close(engine.close)
    serial = Serial(resources.threads)
    seen: dict[str, Restarts] = {}

    async def attempt(limit: float) -> str:
        return await serial.run(lambda: judge(engine.containers(limit), target, seen))

    return attempt


class _Engine:
    """One connection, used by one thread at a time; made again after a failure, as the Engine may be restarting."""

    def __init__(self, sdk: ModuleType, target: DockerTarget) -> None:
        self._sdk = sdk
        self._target = target
        self._client: Any = None

    def containers(self, limit: float) -> list[Container]:
        """The target's containers; none when there is none. Raises UnhealthyError when the Engine does not answer."""
        try:
            api = self._connect(limit)
            found = (self._inspect(api, reference) for reference in self._references(api))
            return [container for container in found if container is not None]
        except (self._sdk.errors.DockerException, OSError) as error:
            self.close()
            words = " ".join(str(error).split())[:300]
            raise UnhealthyError(f"Docker Engine: {words}", answered=False) from None

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError):
                client.close()

    def _connect(self, limit: float) -> Any:
        if self._client is None:
            # requests' timeout is per read, so the whole is bounded by the waiter.
            if self._target.docker_host is None:
                self._client = self._sdk.from_env(timeout=limit)
            else:
                self._client = self._sdk.DockerClient(base_url=self._target.docker_host, timeout=limit)
        return self._client.api

    def _references(self, api: Any) -> list[str]:
        if self._target.container is not None:
            return [self._target.container]
        labels = [
            f"com.docker.compose.project={self._target.project}",
            f"com.docker.compose.service={self._target.service}",
            "com.docker.compose.oneoff=False",
        ]
        return [entry["Id"] for entry in api.containers(all=True, filters={"label": labels})]

    def _inspect(self, api: Any, reference: str) -> Container | None:
        try:
            return Container.from_inspect(api.inspect_container(reference))
        except self._sdk.errors.NotFound:
            return None
