# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process: starts, answers, and stops without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web

from . import api, misbehaviour, observed
from .faults import from_environment
from .metrics import Metrics
from .settings import Settings
from .state import SHOP, Shop
from .store import UNREACHABLE, Cache, Database
from .subscriptions import count_expiring
from .webhooks import count_dead, deliver_due

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REFRESH_SECONDS = 5.0
WEBHOOK_SECONDS = 1.0


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; then finish the requests at hand, at most for the grace period."""
    shop = Shop(settings, Metrics(settings.version), from_environment(os.environ) if settings.faults_enabled else NONE)
    shop.use_faults(shop.faults)
    stop = _stop_event(shop)
    if await _stopped_within(stop, shop.faults.slow_start_seconds):
        return
    shop.database = await Database.open(settings, lambda: shop.faults, shop.metrics)
    shop.cache = Cache.open(settings, shop.metrics)
    shop.metrics.database_max.set(settings.database_pool)
    runner = web.AppRunner(_application(shop), access_log=None, shutdown_timeout=settings.grace_seconds)
    await runner.setup()
    shop.unready = shop.faults.unready_seconds > 0
    await web.TCPSite(runner, "0.0.0.0", settings.port, backlog=511).start()  # noqa: S104
    log.info("listening", extra={"fields": {"port": settings.port, "version": settings.version}})
    if not await _stopped_within(stop, shop.faults.unready_seconds):
        shop.unready = False
        await _work_until(stop, shop)
    log.info("stopping", extra={"fields": {"grace": settings.grace_seconds}})
    await runner.cleanup()
    await shop.cache.client.aclose()
    shop.database.pool.terminate()
    log.info("stopped")


NONE = from_environment({})


def _application(shop: Shop) -> web.Application:
    application = web.Application(middlewares=[web.middleware(_observe), web.middleware(_misbehave)])
    application[SHOP] = shop
    observed.add_routes(application.router)
    api.add_routes(application.router)
    if shop.settings.faults_enabled:
        misbehaviour.add_routes(application.router)
    return application


async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    shop, started = request.app[SHOP], time.monotonic()
    status = 500
    shop.metrics.in_flight.inc()
    try:
        answer = await handler(request)
        status = answer.status
    except web.HTTPException as answer_by_exception:
        status = answer_by_exception.status
        raise
    except UNREACHABLE as error:
        status = 503
        reason = {"path": request.path, "reason": type(error).__name__}
        log.warning("database is not reachable", extra={"fields": reason})
        return web.json_response({"error": "try again soon"}, status=503, headers={"Retry-After": "1"})
    except Exception:
        log.exception("unexpected error", extra={"fields": {"path": request.path}})
        return web.json_response({"error": "internal error"}, status=500)
    finally:
        seconds = time.monotonic() - started
        shop.metrics.in_flight.dec()
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        shop.metrics.answered(request.method, route, status, seconds)
        level = logging.DEBUG if request.path in observed.SPARED and status < 500 else logging.INFO
        fields = {"method": request.method, "path": request.path, "status": status, "seconds": round(seconds, 4)}
        log.log(level, "request", extra={"fields": fields})
    return answer


async def _misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
    shop = request.app[SHOP]
    if shop.unready:
        return web.json_response({"error": "not ready"}, status=503)
    spared = request.path in observed.SPARED or request.path.startswith(misbehaviour.PREFIX)
    if not spared and shop.errors.fails(shop.faults.error_rate):
        return web.json_response({"error": "on request"}, status=500)
    return await handler(request)


async def _work_until(stop: asyncio.Event, shop: Shop) -> None:
    async with aiohttp.ClientSession() as session:
        tasks = [
            asyncio.create_task(_repeat(WEBHOOK_SECONDS, lambda: _deliver(shop, session))),
            asyncio.create_task(_repeat(REFRESH_SECONDS, lambda: _refresh(shop))),
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await action()
        except UNREACHABLE as error:
            log.warning("background work waits for the database", extra={"fields": {"reason": type(error).__name__}})
        except Exception:
            log.exception("background work failed")
        await asyncio.sleep(seconds)


async def _deliver(shop: Shop, session: aiohttp.ClientSession) -> None:
    await deliver_due(shop.database, session, shop.settings, shop.metrics)


async def _refresh(shop: Shop) -> None:
    await shop.check_email()
    async with shop.database.pool.acquire(timeout=5) as connection:
        shop.metrics.dead_letters.set(await count_dead(connection))
        shop.metrics.expiring.set(await count_expiring(connection))


def _stop_event(shop: Shop) -> asyncio.Event:
    stop = asyncio.Event()

    def on_terminate() -> None:
        if shop.faults.ignore_sigterm:
            log.warning("SIGTERM ignored on request")
        else:
            stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, on_terminate)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    return stop


async def _stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
