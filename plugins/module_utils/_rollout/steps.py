# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out the plan of one service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.clock import Clock
from .._core.errors import OpsError
from .plan import ServicePlan
from .project import Project, dependencies
from .readiness import NotReadyError, wait_completed, wait_ready
from .runtime import ComposeCli, Container, Engine, Gate
from .strategy import ONCE
from .trail import Trail

DEFAULT_GRACE = 10.0
DRAIN_POLL_SECONDS = 0.1
LOG_LINES = 40


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: to become ready, to count as stable, for a proxy to notice, to finish the requests under way."""

    ready: float
    stable: float
    notice: float
    drain: float


class StepFailedError(OpsError):
    """A service could not be deployed. ``touched``: its former containers are not all as they were."""

    def __init__(self, service: str, reason: str, *, touched: bool, diagnostics: dict[str, object]) -> None:
        super().__init__(f"service {service}: {reason}")
        self.service = service
        self.touched = touched
        self.diagnostics = diagnostics


class ServiceRollout:
    """Applies a ServicePlan; on failure removes what it started and raises StepFailedError."""

    def __init__(
        self,
        project: Project,
        patience: Patience,
        *,
        compose: ComposeCli,
        engine: Engine,
        gate: Gate,
        clock: Clock,
        trail: Trail,
    ) -> None:
        self._compose = compose
        self._engine = engine
        self._gate = gate
        self._clock = clock
        self._trail = trail
        self._project = project
        self._patience = patience

    def apply(self, plan: ServicePlan) -> None:
        """Carry the plan out, or confirm that what is kept is healthy when there is nothing to do."""
        if plan.action == "none":
            self._confirm(plan)
        elif plan.strategy.name == ONCE:
            self._run_once(plan)
        elif plan.action == "recreate":
            self._recreate(plan)
        else:
            self._roll(plan)

    def _confirm(self, plan: ServicePlan) -> None:
        if plan.strategy.name == ONCE:
            return
        try:
            self._wait(plan.keep)
        except NotReadyError as failure:
            raise self._failed(plan, failure, touched=False) from None

    def _run_once(self, plan: ServicePlan) -> None:
        try:
            with self._trail.step("run", plan.service):
                self._remove(plan, plan.stop, "discard")
                self._up(plan.service, 1, recreate=False)
                for container in self._of(plan.service):
                    wait_completed(self._engine, self._clock, container, timeout=self._patience.ready)
        except OpsError as failure:
            raise self._failed(plan, failure, touched=False) from None

    def _recreate(self, plan: ServicePlan) -> None:
        self._remove(plan, plan.discard, "discard")
        try:
            with self._trail.step("recreate", plan.service):
                self._up(plan.service, plan.replicas, recreate=True)
            with self._trail.step("wait", plan.service):
                self._wait(self._of(plan.service))
        except OpsError as failure:
            raise self._failed(plan, failure, touched=True) from None

    def _roll(self, plan: ServicePlan) -> None:
        self._remove(plan, plan.discard, "discard")
        before = {container.id for container in self._of(plan.service)}
        stopped = 0
        try:
            for start, stop in _batches(plan):
                total = len(before) + start
                with self._trail.step("start", plan.service, containers=start):
                    self._up(plan.service, total, recreate=False)
                present = self._of(plan.service)
                with self._trail.step("wait", plan.service):
                    self._wait([c for c in present if c.id not in {old.id for old in plan.stop}])
                if stop and self._patience.notice:
                    with self._trail.step("notice", plan.service):
                        self._clock.sleep(self._patience.notice)
                stopped += len(stop)
                self._retire(plan, stop)
                before = {container.id for container in self._of(plan.service)}
        except OpsError as failure:
            known = {container.id for container in (*plan.keep, *plan.stop)}
            failed = self._failed(plan, failure, touched=stopped > 0)
            for container in plan.stop:
                self._gate.open(container)
            self._remove(plan, [c for c in self._of(plan.service) if c.id not in known], "remove new")
            raise failed from None

    def _retire(self, plan: ServicePlan, containers: Iterable[Container]) -> None:
        for container in containers:
            self._drain(plan, container)
            grace = DEFAULT_GRACE if container.stop_timeout is None else container.stop_timeout
            with self._trail.step("stop", plan.service, container=container.name):
                self._engine.stop(container.id, grace)
                self._engine.remove(container.id)

    def _drain(self, plan: ServicePlan, container: Container) -> None:
        """Keep new connections away and let those under way end; a proxy tries the refused ones elsewhere."""
        service = self._project.services[plan.service]
        if any(ports.loopback for ports in service.ports):
            return
        with self._trail.step("drain", plan.service, container=container.name):
            try:
                self._gate.close(container)
            except OpsError as error:
                self._trail.warn(
                    f"{container.name} was stopped without refusing new connections first: {error.message}"
                )
                return
            deadline = self._clock.monotonic() + self._patience.drain
            while self._gate.in_flight(container) and self._clock.monotonic() < deadline:
                self._clock.sleep(DRAIN_POLL_SECONDS)

    def _remove(self, plan: ServicePlan, containers: Sequence[Container], why: str) -> None:
        for container in containers:
            with self._trail.step(why, plan.service, container=container.name):
                self._engine.remove(container.id)

    def _wait(self, containers: Sequence[Container]) -> None:
        wait_ready(
            self._engine, self._clock, containers, timeout=self._patience.ready, stable_for=self._patience.stable
        )

    def _up(self, service: str, count: int, *, recreate: bool) -> None:
        counts = dict.fromkeys(dependencies(self._project, service), 0)
        for container in self._engine.containers(self._project.name):
            if container.service in counts:
                counts[container.service] += 1
        self._compose.create(service, {**counts, service: count}, recreate=recreate)
        self._compose.start(service, count)

    def _of(self, service: str) -> tuple[Container, ...]:
        return tuple(c for c in self._engine.containers(self._project.name) if c.service == service)

    def _failed(self, plan: ServicePlan, failure: OpsError, *, touched: bool) -> StepFailedError:
        container = failure.container if isinstance(failure, NotReadyError) else self._newest(plan)
        diagnostics = self._engine.diagnose(container, LOG_LINES) if container else {}
        return StepFailedError(plan.service, failure.message, touched=touched, diagnostics=diagnostics)

    def _newest(self, plan: ServicePlan) -> str | None:
        known = {container.id for container in (*plan.keep, *plan.stop)}
        new = [c for c in self._of(plan.service) if c.id not in known]
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
