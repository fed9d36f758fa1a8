# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the project and the containers, and what is done about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import OpsError
from .options import ServiceSetting
from .project import Service
from .readiness import FAILED, READY, verdict
from .runtime import Container
from .strategy import ONCE, RECREATE, Strategy, check_room, choose, room


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs of one service. ``image_id`` is what its reference resolves to here, None when it must be pulled.

    ``digests`` maps the ids of containers that a release recorded to the digest of the secrets and configs they got.
    """

    containers: tuple[Container, ...]
    image_id: str | None
    digests: Mapping[str, str]
    now: float
    stable_for: float


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The decision for one service.

    ``discard`` are removed before anything starts (they serve nobody), ``start`` new ones are started, at most
    ``at_a_time`` together, then ``stop`` are stopped and removed.
    """

    service: str
    action: str
    strategy: Strategy
    replicas: int
    reasons: tuple[str, ...] = ()
    keep: tuple[Container, ...] = ()
    discard: tuple[Container, ...] = ()
    start: int = 0
    at_a_time: int = 1
    stop: tuple[Container, ...] = ()

    @property
    def changes(self) -> bool:
        return self.action != "none"

    def to_dict(self) -> dict[str, object]:
        return {
            "service": self.service,
            "action": self.action,
            "strategy": self.strategy.name,
            "strategy_reason": self.strategy.reason,
            "replicas": self.replicas,
            "reasons": list(self.reasons),
            "start": self.start,
            "stop": [container.name for container in (*self.discard, *self.stop)],
        }


def decide(service: Service, setting: ServiceSetting, observed: Observed) -> ServicePlan:
    """Compare one service with its containers. Raises OpsError for what cannot be done as asked."""
    strategy = choose(service, setting.strategy)
    stale = {c.id: why for c in observed.containers if (why := _stale(service, c, observed))}
    if strategy.name == ONCE:
        return _decide_once(service, strategy, observed, stale)
    broken = {c.id: why for c in observed.containers if c.id not in stale and (why := _broken(c, observed))}
    reasons = _reasons(service, stale, broken, observed)
    current = [c for c in observed.containers if c.id not in stale and c.id not in broken]
    keep = _steadiest(current, observed)[: service.replicas]
    kept = {c.id for c in keep}
    rest = [c for c in observed.containers if c.id not in kept]
    dead = [c for c in rest if not c.running]
    stop = [c for c in rest if c.running]
    missing = service.replicas - len(keep)
    if missing > 0 and strategy.name == RECREATE and stop:
        return ServicePlan(
            service.name, "recreate", strategy, service.replicas, reasons,
            discard=tuple(dead), start=service.replicas, at_a_time=service.replicas, stop=(*keep, *stop),
        )  # fmt: skip
    if not missing and not rest:
        return ServicePlan(service.name, "none", strategy, service.replicas, keep=tuple(keep))
    if missing and stop:
        dead, stop = _make_room(service, missing, len(keep), dead=dead, stop=stop, broken=broken)
    action = "create" if not keep and not stop else "roll" if missing and stop else "scale"
    return ServicePlan(
        service.name, action, strategy, service.replicas, reasons, tuple(keep), tuple(dead), missing,
        _at_a_time(service, setting, missing, len(keep) + len(stop)) if action == "roll" else max(missing, 1),
        tuple(sorted(stop, key=lambda c: c.number)),
    )  # fmt: skip


def _decide_once(service: Service, strategy: Strategy, observed: Observed, stale: Mapping[str, str]) -> ServicePlan:
    done = [c for c in observed.containers if c.id not in stale and c.status == "exited" and c.exit_code == 0]
    if done:
        return ServicePlan(service.name, "none", strategy, 1, keep=(done[0],))
    failed = [f"{c.name} exited with code {c.exit_code}" for c in observed.containers if c.id not in stale]
    reasons = tuple(dict.fromkeys((*stale.values(), *failed))) or ("it has not run yet",)
    return ServicePlan(service.name, "run", strategy, 1, reasons, start=1, stop=observed.containers)


def _stale(service: Service, container: Container, observed: Observed) -> str | None:
    if container.config_hash != service.config_hash:
        return "its definition or environment changed"
    if observed.image_id is None:
        return f"image {service.image} is not on this host yet"
    if container.image_id != observed.image_id:
        return f"{service.image} is now {_short(observed.image_id)}, was {_short(container.image_id)}"
    content = service.content
    recorded = observed.digests.get(container.id)
    changed = container.created < content.changed_at if recorded is None else recorded != content.digest
    return "the contents of its secrets, configs or env files changed" if changed else None


def _broken(container: Container, observed: Observed) -> str | None:
    if container.status == "created":
        return f"{container.name} was never started"
    judged = verdict(container, observed.now, observed.stable_for)
    return f"{container.name}: {judged.reason}" if judged.state == FAILED else None


def _reasons(
    service: Service, stale: Mapping[str, str], broken: Mapping[str, str], observed: Observed
) -> tuple[str, ...]:
    reasons = list(dict.fromkeys((*stale.values(), *broken.values())))
    if not observed.containers:
        reasons.append("it does not run yet")
    elif not reasons and len(observed.containers) != service.replicas:
        reasons.append(f"{len(observed.containers)} containers, {service.replicas} wanted")
    return tuple(reasons)


def _steadiest(containers: Sequence[Container], observed: Observed) -> list[Container]:
    def rank(container: Container) -> tuple[bool, int]:
        return verdict(container, observed.now, observed.stable_for).state != READY, container.number

    return sorted(containers, key=rank)


def _make_room(
    service: Service,
    missing: int,
    kept: int,
    *,
    dead: list[Container],
    stop: list[Container],
    broken: Mapping[str, str],
) -> tuple[list[Container], list[Container]]:
    """Containers that failed keep their ports only as long as the new ones have room without them."""
    free = room(service, kept + len(stop))
    if free is None or free >= missing:
        return dead, stop
    failed = [c for c in stop if c.id in broken]
    stop = [c for c in stop if c.id not in broken]
    if stop:
        check_room(service, kept + len(stop))
    return [*dead, *failed], stop


def _at_a_time(service: Service, setting: ServiceSetting, missing: int, existing: int) -> int:
    free = room(service, existing)
    limits = [missing, setting.parallelism or missing] + ([] if free is None else [free])
    return max(1, min(limits))


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def check_scale(service: Service) -> None:
    """Raises OpsError when the replicas themselves don't fit into the published ports."""
    for ports in service.ports:
        if ports.size < service.replicas:
            raise OpsError(
                f"service {service.name}: {service.replicas} replicas do not fit into the {ports.size} host ports of "
                f"ports: {ports.text}. Publish a range of at least {service.replicas} ports",
                service=service.name,
            )
