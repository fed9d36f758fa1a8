# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three phases of a switch, for all proxies in front of one service.

Pinned to the old containers before new ones exist, switched to the new ones when these are healthy, and settled into
the form that survives a reboot when the old ones are gone. Each phase looks at what is there, so that a run can begin
in any of them, and a proxy that holds all other addresses in reserve only has to be switched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._core.clock import Clock
from .._core.errors import OpsError
from .project import Project, Service
from .proxy import CONTAINER, Proxy, addresses, check_service, possible, reachable, settled
from .readiness import READY, verdict
from .runtime import Container, Engine
from .trail import Trail

OLD_WORKERS_SECONDS = 5.0
POLL_SECONDS = 0.02


class Routes:
    """Where the proxies in front of one service send its requests.

    ``unread`` holds the proxies (by ``id``) that may not have read what their file says, as a run before was killed.
    """

    def __init__(
        self,
        project: Project,
        service: Service,
        proxies: Iterable[Proxy],
        *,
        engine: Engine,
        clock: Clock,
        trail: Trail,
        unread: set[int],
    ) -> None:
        self._project = project.name
        self._service = service
        self._proxies = tuple(proxy for proxy in proxies if proxy.setting.service == service.name)
        self._engine = engine
        self._clock = clock
        self._trail = trail
        self._unread = unread

    def __bool__(self) -> bool:
        return bool(self._proxies)

    def check(self) -> None:
        """Raises OpsError when what is to be switched later cannot be."""
        own = self._own()
        for proxy in self._proxies:
            if any(container.running for container in own):
                advice = proxy.check(self._known(proxy, own))
                if advice is not None:
                    self._trail.warn(advice)

    def pin(self, containers: Iterable[Container], stable_for: float) -> None:
        """Name those of the service's containers that serve, so that new ones get no request yet."""
        own = tuple(containers)
        running = [container for container in own if container.running]
        now = self._clock.now().timestamp()
        serving = [c for c in running if verdict(c, now, stable_for).state == READY] or running
        for proxy in self._proxies:
            if upstreams := reachable(proxy.setting, serving):
                self._route("pin", proxy, upstreams, own, eager=True)

    def send_to(self, containers: Iterable[Container]) -> None:
        """Send new requests to these containers alone."""
        own = self._own()
        running = _running(own, containers)
        for proxy in self._proxies if running else ():
            self._route("switch", proxy, addresses(proxy.setting, running), own, eager=True)

    def send_back(self, containers: Iterable[Container]) -> None:
        """``send_to`` that leaves no proxy out because another one fails."""
        own = self._own()
        running = _running(own, containers)
        failures: list[OpsError] = []
        for proxy in self._proxies:
            try:
                if upstreams := reachable(proxy.setting, running):
                    self._route("switch back", proxy, upstreams, own, eager=True)
            except OpsError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def wait_idle(self, timeout: float) -> bool:
        """Give what began before the switch a moment to end; whether all of it is known to have ended."""
        deadline = self._clock.monotonic() + min(timeout, OLD_WORKERS_SECONDS)
        while False in (ended := [proxy.idle() for proxy in self._proxies]) and self._clock.monotonic() < deadline:
            self._clock.sleep(POLL_SECONDS)
        return all(ended)

    def settle(self) -> bool:
        """Bring the proxies into the form between deployments; whether that changed any."""
        own = self._own()
        changed = False
        for proxy in self._proxies:
            upstreams = settled(proxy.setting, self._service, own)
            changed = self._route("settle", proxy, upstreams, own, eager=False) or changed
        return changed

    def preview(self, replicas: int, *, renewed: bool) -> list[dict[str, object]]:
        """What ``settle`` would change; with ``renewed`` containers, whose addresses nobody knows yet."""
        own = self._own()
        found = []
        for proxy in self._proxies:
            upstreams: tuple[str, ...] = settled(proxy.setting, self._service, own)
            known = self._known(proxy, own)
            if renewed and (proxy.setting.address == CONTAINER or proxy.setting.spares):
                upstreams = tuple(f"(new container {number})" for number in range(1, replicas + 1))
            former = proxy.current(known) or ()
            same = proxy.follows(upstreams, known)
            after = list(former) if same else list(upstreams)
            found.append(
                {"type": proxy.setting.type, "service": self._service.name, "changed": not same}
                | {"before": list(former), "after": after}
            )
        return found

    def _route(
        self, step: str, proxy: Proxy, upstreams: Sequence[str], own: Sequence[Container], *, eager: bool
    ) -> bool:
        known = self._known(proxy, own)
        changed = not proxy.follows(upstreams, known)
        if not changed and id(proxy) not in self._unread:
            return False
        with self._trail.step(step, self._service.name, proxy=proxy.setting.type, upstreams=list(upstreams)):
            proxy.route(upstreams, known, eager=eager)
        self._unread.discard(id(proxy))
        return changed

    def _known(self, proxy: Proxy, own: Sequence[Container]) -> tuple[str, ...]:
        """Every address that can be this service's."""
        found = (*reachable(proxy.setting, own), *possible(proxy.setting, self._service))
        return tuple(dict.fromkeys(found))

    def _own(self) -> tuple[Container, ...]:
        return tuple(c for c in self._engine.containers(self._project) if c.service == self._service.name)


def _running(own: Iterable[Container], wanted: Iterable[Container]) -> list[Container]:
    """Those of the containers that run, as they are now."""
    now = {container.id: container for container in own}
    return [now[one.id] for one in wanted if one.id in now and now[one.id].running]


def check_proxies(proxies: Iterable[Proxy], project: Project) -> None:
    """Raises OpsError for a proxy of a service that is not there, or that no proxy could reach."""
    for proxy in proxies:
        service = project.services.get(proxy.setting.service)
        if service is None:
            known = ", ".join(sorted(project.services))
            raise OpsError(f"proxy: service {proxy.setting.service} not in the project; it has {known}")
        check_service(proxy.setting, service)
