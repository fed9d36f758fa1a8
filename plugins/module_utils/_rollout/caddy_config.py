# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the handlers of one service in a configuration of Caddy, and giving them upstreams. Pure."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

NANOSECONDS = 10**9
DEFAULT_INTERVAL = 30 * NANOSECONDS
"""Caddy's own, of active health checks."""


def handlers(config: Any, known: Collection[str], identity: str | None) -> list[dict[str, Any]]:
    """The reverse_proxy handlers of a service: that with the ``@id``, or else those with upstreams all of its own."""
    return [handler for handler in _reverse_proxies(config) if _is_ours(handler, known, identity)]


def dials(handler: dict[str, Any]) -> tuple[str, ...]:
    """The addresses that a handler sends requests to."""
    return tuple(str(upstream.get("dial", "")) for upstream in handler.get("upstreams") or ())


def looks_by_itself(handler: dict[str, Any]) -> bool:
    """Whether a handler leaves out upstreams that nobody listens on before it sends them a request."""
    checks = handler.get("health_checks")
    return len(dials(handler)) < 2 or (isinstance(checks, dict) and bool(checks.get("active")))


def probing(handler: dict[str, Any]) -> tuple[str, int] | None:
    """What a handler's active checks ask the upstreams' own ports for in plain HTTP, and how many must be lost."""
    active = (handler.get("health_checks") or {}).get("active") or {}
    transport = handler.get("transport") or {}
    plain = transport.get("protocol", "http") == "http" and "tls" not in transport and not transport.get("versions")
    path = active.get("uri") or active.get("path")
    if not path or active.get("port") or active.get("upstream") or not plain:
        return None
    return str(path), int(active.get("fails") or 1)


def check_seconds(handler: dict[str, Any]) -> float | None:
    """Every how many seconds a handler checks; None when it does not, or says it in words."""
    active = (handler.get("health_checks") or {}).get("active")
    if not active:
        return None
    interval = active.get("interval") or DEFAULT_INTERVAL
    return interval / NANOSECONDS if isinstance(interval, int) else None


def routed(config: Any, upstreams: Sequence[str], known: Collection[str], identity: str | None) -> Any:
    """A copy of the configuration in which those handlers have ``upstreams``.

    Whatever else an upstream says, such as its most requests at a time, every new one says as the first one did.
    """
    changed = copy.deepcopy(config)
    for handler in handlers(changed, known, identity):
        first: dict[str, Any] = next(iter(handler.get("upstreams") or ()), {})
        handler["upstreams"] = [{**first, "dial": address} for address in upstreams]
    return changed


def ports(config: Any) -> set[int]:
    """The TCP ports on which Caddy serves (addresses as in ``caddy.ParseNetworkAddress``)."""
    servers = ((((config or {}).get("apps") or {}).get("http") or {}).get("servers") or {}).values()
    found: set[int] = set()
    for address in (address for server in servers for address in server.get("listen") or ()):
        network, slash, rest = str(address).rpartition("/")
        if slash and not network.startswith("tcp"):
            continue
        first, _dash, last = rest.rpartition(":")[2].partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return found


def _is_ours(handler: dict[str, Any], known: Collection[str], identity: str | None) -> bool:
    if identity is not None:
        return handler.get("@id") == identity
    found = dials(handler)
    return bool(found) and set(found) <= set(known)


def _reverse_proxies(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("handler") == "reverse_proxy":
            yield node
        for inner in node.values():
            yield from _reverse_proxies(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _reverse_proxies(inner)
