# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rollout from plan to record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .._core.errors import OpsError
from . import disclosure, recording
from .confidential import Confidential
from .hooks import ON_FAILURE, POST_DEPLOY, PRE_DEPLOY, NoHooks
from .ledger import Ledger
from .options import Options
from .orphans import Orphans
from .plan import Observed, ServicePlan, decide
from .probe import Probe
from .project import dependencies
from .project_routes import ProjectRoutes
from .releases import Release, ReleaseStore, choose_release
from .runtime import Container
from .steps import Care, ServiceRollout, StepFailedError, Tools
from .strategy import ONCE, RECREATE
from .target import Target, Targets


class Rollout:
    """Deploys or rolls back one project on this host."""

    def __init__(
        self,
        options: Options,
        *,
        targets: Targets,
        store: ReleaseStore,
        tools: Tools,
        confidential: Confidential,
    ) -> None:
        self._options = options
        self._targets = targets
        self._tools = tools
        self._engine = tools.engine
        self._store = store
        self._clock = tools.clock
        self._orphans = Orphans(engine=tools.engine, gate=tools.gate, clock=tools.clock, trail=tools.trail)
        self._ledger = Ledger(tools.engine, store, tools.clock)
        self._trail = tools.trail
        self._confidential = confidential
        self._routes = ProjectRoutes(tools.proxies, engine=tools.engine, clock=tools.clock, trail=tools.trail)

    def preview(self) -> dict[str, object]:
        """The plan alone; nothing is written."""
        target = self._target(write=False)
        containers = self._engine.containers(self._options.project)
        plans = self._decide(target, containers)
        proxies = self._routes.preview(target, plans)
        changed = (
            any(plan.changes for plan in plans)
            or self._ledger.unrecorded(self._options, target, containers, plans) is not None
        )
        changed = changed or any(proxy["changed"] for proxy in proxies) or not self._targets.published(target)
        orphans = self._orphans.find(target)
        changed = changed or bool(orphans and self._options.remove_orphans)
        current = self._store.current()
        result = self._result(target, plans, containers, changed=changed, release=current, proxies=proxies)
        return {**result, "orphans": [container.name for container in orphans]}

    def run(self) -> dict[str, object]:
        """Carry the plan out. Raises OpsError that says what runs now."""
        began = self._clock.monotonic()
        try:
            result = self._run(began)
        except OpsError as error:
            self._report_failure(error, self._clock.monotonic() - began)
            self._trail.close()
            raise
        self._trail.close()
        return result

    def _run(self, began: float) -> dict[str, object]:
        interrupted = self._trail.interrupted()
        target = self._target(write=True)
        before = self._engine.containers(self._options.project)
        if interrupted is not None:
            self._routes.distrust()
            for container in before:
                self._tools.gate.open(container)
        plans = self._decide(target, before)
        proxies = self._routes.preview(target, plans)
        changed = any(plan.changes for plan in plans)
        with Probe(self._options.probe if changed else None) as probe:
            self._carry_out(target, plans, resumed=interrupted is not None, probe=probe)
            seconds = self._clock.monotonic() - began
            release, recorded = self._ledger.record(self._options, target, plans, seconds, changed=changed)
            recorded = self._settle(target, plans) or recorded
            recorded = self._targets.publish(target) or recorded
            orphans = self._orphans.find(target)
            if self._options.remove_orphans:
                self._orphans.remove(orphans, self._options.drain_timeout)
                recorded = bool(orphans) or recorded
            else:
                self._orphans.tell(orphans)
        self._report_success(release, plans, seconds, changed=changed or recorded)
        if changed:
            self._tools.hooks.run(POST_DEPLOY, release=str(release.number))
        result = self._result(
            target,
            plans,
            before,
            changed=changed or recorded,
            release=release,
            proxies=self._routes.became(target, proxies),
        )
        result["orphans"] = [container.name for container in orphans]
        result["probe"] = probe.result()
        if interrupted is not None:
            result["resumed_after"] = interrupted
        return result

    def _carry_out(self, target: Target, plans: Sequence[ServicePlan], *, resumed: bool, probe: Probe) -> None:
        # What a killed run had done already counts as touched: it has to go back too when this run fails.
        touched = list(target.services) if resumed else []
        if any(plan.changes for plan in plans):
            for plan in plans:
                if plan.changes:
                    self._routes.of(target, plan.service).check()
            self._tools.hooks.run(PRE_DEPLOY)
        try:
            self._apply(target, plans, touched)
        except StepFailedError as failure:
            error = self._after(failure, plans, touched)
            if failure.stuck is None:
                self._settle_old(target)
            error.facts["probe"] = probe.result()
            raise error from None

    def _target(self, *, write: bool) -> Target:
        if self._options.state == "rolled_back":
            release = choose_release(self._store.all(), self._options.release)
            self._options = self._options.remembering(release.times)
            target = self._targets.from_release(release, self._options.services, write=write)
        else:
            target = self._targets.from_files(write=write)
        self._routes.validate(target)
        return target

    def _settle(self, target: Target, plans: Sequence[ServicePlan]) -> bool:
        """The last phase of every switch; the release stays when it fails. Whether it changed a proxy."""
        try:
            return self._routes.settle(target)
        except OpsError as error:
            raise OpsError(
                f"the release runs and is served, but its proxy is not as it should be at the next reboot; "
                f"{error.message}",
                plan=[plan.to_dict() for plan in plans],
                steps=self._trail.steps,
                changed=any(plan.changes for plan in plans),
            ) from None

    def _settle_old(self, target: Target) -> None:
        """Leave the proxies of what went on running as its own release wants them; pinned they serve too."""
        current = self._store.current()
        with contextlib.suppress(OpsError):
            if current is not None and self._tools.proxies:
                target = self._targets.from_release(current, target.services, write=False)
            self._routes.settle(target)

    def _decide(self, target: Target, containers: Sequence[Container]) -> list[ServicePlan]:
        current = self._store.current()
        digests = {} if current is None else current.digests()
        now = self._clock.now().timestamp()
        plans = []
        for name in target.services:
            service = target.project.services[name]
            own = tuple(c for c in containers if c.service == name)
            observed = Observed(own, target.images[service.image], digests, now, self._options.stable_for)
            setting = self._options.setting(name)
            if setting.strategy is None and target.strategies.get(name) == RECREATE:
                setting = replace(setting, strategy=RECREATE)
            plans.append(decide(service, setting, observed))
            if plans[-1].action == "recreate" and any(container.anonymous_volumes for container in own):
                self._refuse_to_drag_along(target, name, containers)
        return plans

    def _refuse_to_drag_along(self, target: Target, service: str, containers: Iterable[Container]) -> None:
        """Compose recreates dependencies that differ with a service; those outside of services must stay."""
        outside = dependencies(target.project, service) - set(target.services)
        for container in containers:
            if container.service not in outside:
                continue
            dependency = target.project.services[container.service]
            image = self._engine.image(dependency.image)
            if container.config_hash != dependency.config_hash or image is None or image.id != container.image_id:
                raise OpsError(
                    f"services: {service} is to be recreated and depends on {dependency.name}, which changed too and "
                    f"which Compose would recreate with it. Add {dependency.name} to services",
                    service=service,
                )

    def _apply(
        self, target: Target, plans: Iterable[ServicePlan], touched: list[str], *, automatic: bool = False
    ) -> None:
        """Carry out the plans; an ``automatic`` way back depends on nothing that the user made for the new release."""
        tools = replace(self._tools, hooks=NoHooks()) if automatic else self._tools
        for plan in plans:
            care = self._care(plan.service, restoring=target.restored is not None)
            care = replace(care, watch=0.0, checks=()) if automatic else care
            try:
                routes = self._routes.of(target, plan.service)
                ServiceRollout(target.project, plan, care, compose=target.compose, tools=tools, routes=routes).apply()
            except StepFailedError as failure:
                if failure.touched:
                    touched.append(plan.service)
                raise
            if plan.changes and plan.strategy.name != ONCE:
                touched.append(plan.service)

    def _care(self, service: str, *, restoring: bool) -> Care:
        options = self._options
        setting = options.setting(service)
        return Care(
            ready=options.wait_timeout_of(service),
            stable=options.stable_for,
            notice=options.drain_delay,
            drain=options.drain_timeout,
            watch=options.watch,
            checks=setting.checks,
            migrate=() if restoring else setting.migrate,
        )

    def _after(self, failure: StepFailedError, plans: Sequence[ServicePlan], touched: list[str]) -> OpsError:
        """Put the services touched so far back, and say what runs now."""
        current = self._store.current()
        restored = False
        if failure.stuck is not None:
            outcome = f"old and new containers both run, as its proxy could not be switched back: {failure.stuck}"
        elif not touched:
            restored = failure.taken_back
            outcome = (
                "its new containers were removed, the old ones serve again"
                if restored
                else "its new containers were removed, what ran before was not touched"
            )
        elif current is None:
            outcome = f"{', '.join(touched)} had been changed; there is no earlier release to go back to"
        else:
            restored, outcome = self._restore(current, touched)
        return OpsError(
            f"{failure.message}; {outcome}",
            plan=[plan.to_dict() for plan in plans],
            steps=self._trail.steps,
            diagnostics=failure.diagnostics,
            rolled_back=restored,
            changed=bool(touched) and not restored,
        )

    def _restore(self, current: Release, touched: list[str]) -> tuple[bool, str]:
        names = tuple(name for name in touched if name in current.services and not current.services[name].once)
        if not names:
            return False, f"{', '.join(touched)} had been changed and release {current.number} does not have them"
        try:
            target = self._targets.from_release(current, names, write=True)
            plans = self._decide(target, self._engine.containers(self._options.project))
            self._apply(target, plans, [], automatic=True)
            self._routes.settle(target)
            self._store.save(self._ledger.as_running(target, current), self._store.resolved(current.number))
        except OpsError as error:
            return False, f"going back to release {current.number} failed too: {error.message}"
        return True, f"{', '.join(names)} went back to release {current.number} and is healthy"

    def _report_success(self, release: Release, plans: Sequence[ServicePlan], seconds: float, *, changed: bool) -> None:
        options = self._options
        if changed:
            actions = {plan.service: plan.action for plan in plans if plan.changes}
            recording.audit(
                options, self._clock, status="succeeded", seconds=seconds, release=release.number, services=actions
            )
        found = recording.samples(options.project, release, succeeded=True, seconds=release.seconds)
        recording.publish(options.metrics_directory, options.project, found)

    def _report_failure(self, error: OpsError, seconds: float) -> None:
        options = self._options
        error.message = self._confidential.masked(error.message)
        error.facts = disclosure.shortened(self._confidential.masked(error.facts))
        with contextlib.suppress(OpsError):  # the failure itself is what must reach the user
            self._tools.hooks.run(ON_FAILURE, error=error.message)
        with contextlib.suppress(OpsError):
            recording.audit(options, self._clock, status="failed", seconds=seconds, message=error.message)
            found = recording.samples(options.project, self._store.current(), succeeded=False, seconds=seconds)
            recording.publish(options.metrics_directory, options.project, found)

    def _result(
        self,
        target: Target,
        plans: Sequence[ServicePlan],
        before: Sequence[Container],
        *,
        changed: bool,
        release: Release | None,
        proxies: Sequence[Mapping[str, object]],
    ) -> dict[str, object]:
        return {
            "changed": changed,
            "plan": [plan.to_dict() for plan in plans],
            "steps": self._trail.steps,
            "release": release.number if release else None,
            "version": release.version if release else None,
            "proxies": list(proxies),
            "diff": disclosure.difference(target.project, plans, before, target.images, proxies),
        }
