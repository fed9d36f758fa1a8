# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of services that the project has no more: named, or taken away when the deployment has succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from .._core.clock import Clock
from .runtime import Container, Engine, Gate
from .target import Target
from .traffic import Traffic
from .trail import Trail


class Orphans:
    """Looks for them and removes them as gracefully as any other container."""

    def __init__(self, *, engine: Engine, gate: Gate, clock: Clock, trail: Trail) -> None:
        self._engine = engine
        self._gate = gate
        self._clock = clock
        self._trail = trail

    def find(self, target: Target) -> tuple[Container, ...]:
        """The containers of services that no Compose file defines, whatever its profiles."""
        strangers = [
            c for c in self._engine.containers(target.project.name) if c.service not in target.project.services
        ]
        if not strangers:
            return ()
        defined = target.compose.defined()
        return tuple(container for container in strangers if container.service not in defined)

    def tell(self, orphans: Sequence[Container]) -> None:
        """Warn of containers that stay."""
        if orphans:
            names = ", ".join(container.name for container in orphans)
            self._trail.warn(
                f"{names}: of services that the Compose files do not define any more; remove_orphans: true removes them"
            )

    def remove(self, orphans: Sequence[Container], drain: float) -> None:
        """Let them finish their requests, then stop each with its own grace period and remove it."""
        for service, group in groupby(orphans, key=lambda container: container.service):
            containers = list(group)
            local = any(binding.host.startswith("127.") for container in containers for binding in container.bindings)
            traffic = Traffic(
                service, gated=not local, engine=self._engine, gate=self._gate, clock=self._clock, trail=self._trail
            )
            traffic.divert([container for container in containers if container.running], drain)
            traffic.stop(containers)
