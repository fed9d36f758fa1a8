# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service can run twice for a moment, and what that costs in ports. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import OpsError
from .project import Service

ROLLING = "rolling"
RECREATE = "recreate"
ONCE = "once"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a service is replaced, and why so."""

    name: str
    reason: str


def choose(service: Service, asked: str | None) -> Strategy:
    """The strategy of a service. Raises OpsError when the user asked for one that cannot be."""
    if service.once:
        return Strategy(ONCE, "other services wait until it has completed")
    obstacle = _obstacle(service)
    if asked == RECREATE:
        return Strategy(RECREATE, "asked for in service_settings")
    if asked == ROLLING:
        if obstacle:
            raise OpsError(
                f"service_settings: {service.name} cannot be rolling: {obstacle[0]}. {obstacle[1]}, "
                "or set strategy: recreate, which stops it for a moment",
                service=service.name,
            )
        return Strategy(ROLLING, "asked for in service_settings")
    if obstacle:
        return Strategy(RECREATE, obstacle[0])
    if service.writable_volumes and service.replicas <= 1:
        volumes = ", ".join(service.writable_volumes)
        return Strategy(RECREATE, f"it writes to volume {volumes}, which two containers may not do at a time")
    return Strategy(ROLLING, "nothing in its definition keeps it from running twice")


def room(service: Service, existing: int) -> int | None:
    """How many more containers its published ports have room for; None without a limit."""
    return min((ports.size - existing for ports in service.ports), default=None)


def check_room(service: Service, existing: int) -> None:
    """Raises OpsError when not one container fits beside the ``existing`` ones."""
    for ports in service.ports:
        if ports.size - existing < 1:
            raise OpsError(
                f"service {service.name}: ports: {ports.text} has {ports.size} host ports, all taken by its "
                f"{existing} containers, so that no new one can start beside them. Publish a range of at least "
                f"{existing + 1} ports (better {2 * service.replicas}), or set strategy: recreate in service_settings",
                service=service.name,
            )


def _obstacle(service: Service) -> tuple[str, str] | None:
    if service.container_name:
        return f"it has container_name {service.container_name}", "Remove container_name from the Compose file"
    for ports in service.ports:
        if ports.size == 1:
            return (
                f"it publishes the single host port {ports.text}",
                f"Publish a range with room for the old and the new replicas ({2 * service.replicas} ports)",
            )
    if service.network_mode and service.network_mode not in ("bridge", "default", "none"):
        return f"it has network_mode {service.network_mode}", "Use a network of the project"
    if service.fixed_address:
        return "it has a fixed address on a network", "Remove ipv4_address and ipv6_address from the Compose file"
    return None
