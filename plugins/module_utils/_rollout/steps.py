# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the plan of one service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.clock import Clock
from .._core.errors import OpsError
from .checks import Checker
from .hooks import POST_SWITCH, PRE_SWITCH, Hooks
from .plan import ServicePlan
from .project import Project, dependencies
from .proxy import Proxy
from .readiness import NotReadyError
from .routes import Routes
from .runtime import ComposeCli, Container, Engine, Gate
from .strategy import ONCE
from .traffic import Traffic
from .trail import Trail

LOG_LINES = 40
ON_THE_WAY_SECONDS = 0.25
"""How long a request that a proxy took just before the switch may need to reach its container."""


@dataclass(frozen=True, slots=True)
class Care:
    """How a service is treated.

    Seconds: to become ready, to count as stable, for a proxy to notice, to finish requests under way, to be watched
    after the switch. And checks beside Docker's health, and the migration to run.
    """

    ready: float
    stable: float
    notice: float
    drain: float
    watch: float = 0.0
    checks: Sequence[Mapping[str, Any]] = ()
    migrate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything that acts."""

    engine: Engine
    gate: Gate
    checker: Checker
    hooks: Hooks
    clock: Clock
    trail: Trail
    proxies: tuple[Proxy, ...] = ()


class StepFailedError(OpsError):
    """A service could not be deployed. ``touched``: its former containers are not all as they were.

    ``stuck`` says why old and new ones were left beside each other.
    """

    def __init__(self, service: str, reason: str, *, touched: bool, diagnostics: dict[str, object]) -> None:
        super().__init__(f"service {service}: {reason}")
        self.service = service
        self.touched = touched
        self.taken_back = False
        self.stuck: str | None = None
        self.diagnostics = diagnostics


class ServiceRollout:
    """Applies a ServicePlan; on failure removes what it started and raises StepFailedError."""

    def __init__(
        self, project: Project, plan: ServicePlan, care: Care, *, compose: ComposeCli, tools: Tools, routes: Routes
    ) -> None:
        self._project = project
        self._plan = plan
        self._care = care
        self._compose = compose
        self._tools = tools
        self._engine = tools.engine
        self._trail = tools.trail
        self._routes = routes
        gated = not any(ports.loopback for ports in project.services[plan.service].ports)
        self._traffic = Traffic(
            plan.service, gated=gated, engine=tools.engine, gate=tools.gate, clock=tools.clock, trail=tools.trail
        )

    def apply(self) -> None:
        """Carry the plan out, or confirm that what is kept is healthy when there is nothing to do."""
        plan = self._plan
        if plan.strategy.name == ONCE:
            if plan.changes:
                self._run_once()
        elif not plan.changes:
            self._confirm()
        elif plan.action == "recreate":
            self._recreate()
        else:
            self._roll()

    def _confirm(self) -> None:
        try:
            self._wait(self._plan.keep)
        except NotReadyError as failure:
            raise self._failed(failure, touched=False) from None

    def _run_once(self) -> None:
        try:
            with self._step("run"):
                self._remove(self._plan.stop, "discard")
                self._up(1, recreate=False)
                for container in self._own():
                    self._tools.checker.wait_completed(container, timeout=self._care.ready)
        except OpsError as failure:
            raise self._failed(failure, touched=False) from None

    def _recreate(self) -> None:
        self._migrate()
        self._remove(self._plan.discard, "discard")
        touched = False
        try:
            self._tools.hooks.run(PRE_SWITCH, service=self._plan.service)
            if self._project.services[self._plan.service].container_name is None and not self._inherits():
                with self._step("create"):
                    self._create(len(self._plan.stop) + self._plan.replicas, recreate=False)
            touched = True
            self._exchange()
            self._settle(self._own())
            self._routes.send_to(self._own())
            self._tools.hooks.run(POST_SWITCH, service=self._plan.service)
            self._watch(self._own())
        except OpsError as failure:
            failed = self._failed(failure, touched=touched)
            if not touched:
                self._take_back(served=False)
            raise failed from None

    def _exchange(self) -> None:
        """Stop the old containers and start the new ones.

        Compose itself does it only where it has to hand anonymous volumes on: it also replaces the containers of
        dependencies that differ, such as a migration that must not run again.
        """
        if self._inherits():
            with self._step("recreate"):
                self._up(self._plan.replicas, recreate=True)
            return
        self._traffic.stop(self._plan.stop)
        with self._step("start", containers=self._plan.replicas):
            self._up(self._plan.replicas, recreate=False)

    def _inherits(self) -> bool:
        return any(container.anonymous_volumes for container in self._plan.stop)

    def _roll(self) -> None:
        plan = self._plan
        self._migrate()
        self._remove(plan.discard, "discard")
        served = touched = False
        try:
            if plan.start:
                self._routes.pin(self._own(), self._care.stable)
            for start, stop in _batches(plan):
                if start:
                    with self._step("start", containers=start):
                        self._up(len(self._own()) + start, recreate=False)
                retiring = {container.id for container in plan.stop}
                fresh = [c for c in self._own() if c.id not in retiring]
                self._settle(fresh)
                served = bool(start and stop)
                self._switch(fresh, stop)
                touched = touched or bool(stop)
                self._traffic.stop(stop)
        except OpsError as failure:
            failed = self._failed(failure, touched=touched)
            failed.taken_back = served
            self._traffic.admit(plan.stop)
            try:
                if served:
                    self._routes.send_back((*plan.keep, *plan.stop))
            except OpsError as error:
                failed.stuck = error.message
            else:
                self._take_back(served=served)
            raise failed from None

    def _switch(self, fresh: Sequence[Container], stop: Sequence[Container]) -> None:
        """Move the requests from ``stop`` to ``fresh``; the old ones stay warm while the new ones are watched."""
        if not stop or not self._plan.start:
            self._hand_over(stop)
            return
        if self._care.notice:
            with self._step("notice"):
                self._tools.clock.sleep(self._care.notice)
        self._tools.hooks.run(PRE_SWITCH, service=self._plan.service)
        self._hand_over(stop)
        self._tools.hooks.run(POST_SWITCH, service=self._plan.service)
        self._watch(fresh)

    def _hand_over(self, stop: Sequence[Container]) -> None:
        going = {container.id for container in stop}
        if going:
            self._routes.send_to([container for container in self._own() if container.id not in going])
            if self._routes:
                self._traffic.leave(stop)
            self._relieve(stop)

    def _relieve(self, containers: Sequence[Container]) -> None:
        """Let containers that the proxies have left finish, then refuse those who come past the proxies."""
        if self._routes and containers:
            with self._step("finish", containers=[container.name for container in containers]):
                self._finish(containers)
        self._traffic.divert(containers, self._care.drain)

    def _finish(self, containers: Sequence[Container]) -> None:
        """Wait for what the proxies took before the switch, some of which may still be on its way."""
        clock = self._tools.clock
        began = clock.monotonic()
        ended = self._routes.wait_idle(self._care.drain)
        passed = clock.monotonic() - began
        self._traffic.finish(containers, self._care.drain, at_least=0.0 if ended else ON_THE_WAY_SECONDS - passed)

    def _watch(self, fresh: Sequence[Container]) -> None:
        if not self._care.watch:
            return
        with self._step("watch"):
            self._traffic.watch(fresh, self._care.watch, self._care.stable)
            for container in fresh if self._care.checks else ():
                wrong = self._tools.checker.look(container, self._care.checks)
                if wrong is not None:
                    raise NotReadyError(f"container {container.name}: {wrong}", container.id)

    def _take_back(self, *, served: bool) -> None:
        """Remove what this rollout started; what had begun to serve finishes its requests first."""
        known = {container.id for container in (*self._plan.keep, *self._plan.stop)}
        new = [container for container in self._own() if container.id not in known]
        if served:
            self._relieve([c for c in new if c.running])
        self._remove(new, "remove new")

    def _migrate(self) -> None:
        """Run the migration from the new image, before anything of this service is touched."""
        if not self._care.migrate or self._plan.action == "scale":
            return
        try:
            with self._step("migrate"):
                self._compose.run(self._plan.service, self._care.migrate, timeout=self._care.ready)
        except OpsError as failure:
            message = f"migrate failed, nothing of this service was touched: {failure.message}"
            raise StepFailedError(self._plan.service, message, touched=False, diagnostics=failure.facts) from None

    def _settle(self, containers: Sequence[Container]) -> None:
        with self._step("wait"):
            self._wait(containers)

    def _wait(self, containers: Sequence[Container]) -> None:
        care = self._care
        self._tools.checker.wait(containers, care.checks, timeout=care.ready, stable_for=care.stable)

    def _remove(self, containers: Iterable[Container], why: str) -> None:
        for container in containers:
            with self._step(why, container=container.name):
                self._engine.remove(container.id)

    def _up(self, count: int, *, recreate: bool) -> None:
        alone = not dependencies(self._project, self._plan.service)
        if recreate or (not alone and len(self._own()) < count):
            self._create(count, recreate=recreate)
        self._compose.start(self._plan.service, count)

    def _create(self, count: int, *, recreate: bool) -> None:
        service = self._plan.service
        counts = dict.fromkeys(dependencies(self._project, service), 0)
        for container in self._engine.containers(self._project.name):
            if container.service in counts:
                counts[container.service] += 1
        self._compose.create(service, {**counts, service: count}, recreate=recreate)

    def _own(self) -> tuple[Container, ...]:
        return tuple(c for c in self._engine.containers(self._project.name) if c.service == self._plan.service)

    def _step(self, name: str, **facts: object) -> Any:
        return self._trail.step(name, self._plan.service, **facts)

    def _failed(self, failure: OpsError, *, touched: bool) -> StepFailedError:
        container = failure.container if isinstance(failure, NotReadyError) else self._newest()
        diagnostics = self._engine.diagnose(container, LOG_LINES) if container else {}
        return StepFailedError(self._plan.service, failure.message, touched=touched, diagnostics=diagnostics)

    def _newest(self) -> str | None:
        known = {container.id for container in (*self._plan.keep, *self._plan.stop)}
        new = [container for container in self._own() if container.id not in known]
        return new[-1].id if new else None


def _batches(plan: ServicePlan) -> Iterable[tuple[int, tuple[Container, ...]]]:
    """How many to start and which to stop, batch by batch; the last batch stops all that is left."""
    left, stop = plan.start, plan.stop
    while left > 0:
        count = min(plan.at_a_time, left)
        left -= count
        share = count if left else len(stop)
        yield count, stop[:share]
        stop = stop[share:]
    if stop:
        yield 0, stop
