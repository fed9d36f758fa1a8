# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that exist only with FAULTS_ENABLED=1: the fault switches, and work of a chosen length for load tests."""

from __future__ import annotations

import asyncio
import hmac
import logging
from dataclasses import asdict

from aiohttp import web

from .faults import FaultError, changed
from .state import SHOP, Shop

log = logging.getLogger(__name__)
LONGEST_WORK = 60_000
PREFIX = "/admin/"


async def show_faults(request: web.Request) -> web.Response:
    return web.json_response(asdict(_guarded(request).faults))


async def set_faults(request: web.Request) -> web.Response:
    shop = _guarded(request)
    try:
        shop.use_faults(changed(shop.faults, await request.json()))
    except (FaultError, ValueError, AttributeError) as error:
        return web.json_response({"error": str(error)}, status=422)
    log.warning("faults changed", extra={"fields": {"faults": asdict(shop.faults)}})
    return web.json_response(asdict(shop.faults))


async def work(request: web.Request) -> web.Response:
    """Take ``ms`` milliseconds, for GET and POST."""
    milliseconds = request.query.get("ms", "0")
    if not milliseconds.isdecimal() or int(milliseconds) > LONGEST_WORK:
        return web.json_response({"error": f"ms is a number up to {LONGEST_WORK}"}, status=422)
    received = len(await request.read())
    await asyncio.sleep(int(milliseconds) / 1000)
    return web.json_response({"version": request.app[SHOP].settings.version, "received": received})


def _guarded(request: web.Request) -> Shop:
    shop = request.app[SHOP]
    given = request.headers.get("X-Faults-Token", "")
    if not hmac.compare_digest(given.encode(), (shop.settings.faults_token or "").encode()):
        raise web.HTTPForbidden
    return shop


def add_routes(router: web.UrlDispatcher) -> None:
    """Register the routes of this file."""
    router.add_get(f"{PREFIX}faults", show_faults)
    router.add_put(f"{PREFIX}faults", set_faults)
    router.add_route("*", "/api/work", work)
