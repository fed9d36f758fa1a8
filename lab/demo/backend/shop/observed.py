# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health, metrics and version: what the platform asks of the application."""

from __future__ import annotations

import resource

from aiohttp import web

from . import health
from .metrics import CONTENT_TYPE
from .state import SHOP, Shop, now

SPARED = frozenset(
    {"/health", "/api/health", "/metrics", "/api/metrics", "/api/metrics/prometheus", "/version", "/api/version"}
)
"""Never hit by the fault that answers with errors, and not worth a log line each time."""


async def show_health(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    full, _services = await _health(shop)
    return web.json_response(full, status=health.status_code(full))


async def show_short_health(request: web.Request) -> web.Response:
    full, services = await _health(request.app[SHOP])
    return web.json_response(health.short_document(full, services), status=health.status_code(full))


async def show_metrics(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    shop.metrics.database_active.set(shop.database.active())
    return web.Response(body=shop.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


async def show_short_metrics(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connections = {"connections": shop.database.active(), "maxConnections": shop.settings.database_pool}
    return web.json_response({"memory": {"rss": peak}, "database": connections, "uptime": int(shop.uptime())})


async def show_version(request: web.Request) -> web.Response:
    return web.json_response({"version": request.app[SHOP].settings.version})


async def _health(shop: Shop) -> tuple[dict[str, object], dict[str, str]]:
    services = await shop.services()
    full = health.document(services, now=now(), uptime=shop.uptime(), failing=shop.faults.fail_health)
    return full, services


def add_routes(router: web.UrlDispatcher) -> None:
    """Register the routes of this file."""
    router.add_get("/health", show_health)
    router.add_get("/api/health", show_short_health)
    router.add_get("/metrics", show_metrics)
    router.add_get("/api/metrics", show_short_metrics)
    router.add_get("/api/metrics/prometheus", show_metrics)
    router.add_get("/version", show_version)
    router.add_get("/api/version", show_version)
