# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies in front of a project, service by service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._core.clock import Clock
from .plan import ServicePlan
from .proxy import Proxy
from .routes import Routes, check_proxies
from .runtime import Engine
from .target import Target
from .trail import Trail


class ProjectRoutes:
    """Makes the Routes of each service, and speaks to all of them at the beginning and the end of a run."""

    def __init__(self, proxies: Sequence[Proxy], *, engine: Engine, clock: Clock, trail: Trail) -> None:
        self._proxies = proxies
        self._engine = engine
        self._clock = clock
        self._trail = trail
        self._unread: set[int] = set()

    def distrust(self) -> None:
        """A run was killed: each proxy is told again, as it may not have read what its file says."""
        self._unread = {id(proxy) for proxy in self._proxies}

    def validate(self, target: Target) -> None:
        """Raises OpsError for a proxy of a service that is not there, or that no proxy could reach."""
        check_proxies(self._proxies, target.project)

    def of(self, target: Target, service: str) -> Routes:
        """The proxies in front of one service."""
        return Routes(
            target.project,
            target.project.services[service],
            self._proxies,
            engine=self._engine,
            clock=self._clock,
            trail=self._trail,
            unread=self._unread,
        )

    def settle(self, target: Target) -> bool:
        """The last phase for every service; whether it changed a proxy. Raises OpsError."""
        settled = [self.of(target, name).settle() for name in target.services]
        return any(settled)

    def preview(self, target: Target, plans: Iterable[ServicePlan]) -> list[dict[str, object]]:
        """What each proxy says now, and would say after the plans."""
        found: list[dict[str, object]] = []
        for plan in plans:
            found += self.of(target, plan.service).preview(plan.replicas, renewed=plan.start > 0)
        return found

    def became(self, target: Target, before: Sequence[dict[str, object]]) -> list[dict[str, object]]:
        """The same for what really became of them."""
        now: list[dict[str, object]] = []
        for name in target.services:
            now += self.of(target, name).preview(0, renewed=False)
        return [{**old, "after": new["before"]} for old, new in zip(before, now, strict=True)]
