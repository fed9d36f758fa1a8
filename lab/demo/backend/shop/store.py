# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database pool and the cache, with what the request handlers ask of them."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import redis.asyncio
from redis.exceptions import RedisError

from .faults import Faults
from .metrics import Metrics
from .settings import Settings

log = logging.getLogger(__name__)
HEALTH_SECONDS = 2.0
UNREACHABLE: tuple[type[Exception], ...] = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InvalidAuthorizationSpecificationError,
    OSError,
    TimeoutError,
)
"""The database cannot serve us now; any other error of a query is one of ours."""


class Database:
    """Connections to PostgreSQL. Opens none before the first query, so the application starts without it."""

    def __init__(self, pool: asyncpg.Pool, faults: Callable[[], Faults], metrics: Metrics) -> None:
        self.pool = pool
        self._faults = faults
        self._metrics = metrics

    @classmethod
    async def open(cls, settings: Settings, faults: Callable[[], Faults], metrics: Metrics) -> Database:
        pool = await asyncpg.create_pool(
            settings.database_url,
            password=settings.database_password,
            min_size=0,
            max_size=settings.database_pool,
            timeout=5,
            command_timeout=30,
            # Prepared statements outlive a transaction, which a pooler between us and the server does not allow.
            statement_cache_size=0,
            server_settings={"application_name": f"shop-{settings.version}"},
        )
        return cls(pool, faults, metrics)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction."""
        async with (
            self.pool.acquire(timeout=5) as connection,
            _timed(self._metrics),
            connection.transaction(),
        ):
            if (seconds := self._faults().slow_query_seconds) > 0:
                await connection.execute("SELECT pg_sleep($1)", seconds)
            yield connection

    async def healthy(self) -> bool:
        """Whether a query is answered in time."""
        try:
            async with self.pool.acquire(timeout=HEALTH_SECONDS) as connection:
                await connection.fetchval("SELECT 1", timeout=HEALTH_SECONDS)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("database is not healthy", extra={"fields": {"reason": type(error).__name__}})
            return False
        return True

    def active(self) -> int:
        """Connections in use."""
        return int(self.pool.get_size() - self.pool.get_idle_size())


@asynccontextmanager
async def _timed(metrics: Metrics) -> AsyncIterator[None]:
    with metrics.queries.time():
        yield


class Cache:
    """Cache-aside on Redis: an unreachable Redis is a miss, never an error."""

    def __init__(self, client: redis.asyncio.Redis, metrics: Metrics) -> None:
        self.client = client
        self._metrics = metrics

    @classmethod
    def open(cls, settings: Settings, metrics: Metrics) -> Cache:
        password = {"password": settings.redis_password} if settings.redis_password else {}
        client = redis.asyncio.from_url(
            settings.redis_url, socket_timeout=1, socket_connect_timeout=1, health_check_interval=15, **password
        )
        return cls(client, metrics)

    async def get_or(self, key: str, seconds: int, load: Callable[[], Awaitable[object]]) -> object:
        """The value under ``key``; a miss asks ``load`` and keeps its answer for ``seconds``."""
        try:
            kept = await self.client.get(key)
        except (RedisError, OSError):
            kept = None
        self._metrics.looked_up(hit=kept is not None)
        if kept is not None:
            value: object = json.loads(kept)
            return value
        value = await load()
        try:
            await self.client.set(key, json.dumps(value), ex=seconds)
        except (RedisError, OSError) as error:
            log.warning("cache is not writable", extra={"fields": {"reason": type(error).__name__}})
        return value

    async def healthy(self) -> bool:
        """Whether Redis answers us by our user."""
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError):
            return False
