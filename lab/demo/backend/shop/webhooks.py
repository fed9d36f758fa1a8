# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks: queued in the transaction of what they tell, delivered with retries, given up into a dead letter queue."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp

from .retry import next_delay

if TYPE_CHECKING:
    import asyncpg

    from .metrics import Metrics
    from .settings import Settings
    from .store import Database

log = logging.getLogger(__name__)
BATCH = 20
POST_SECONDS = 5.0


async def enqueue(connection: asyncpg.Connection, event: str, payload: Mapping[str, object]) -> None:
    """Queue an event; it leaves when the caller's transaction is committed."""
    await connection.execute(
        "INSERT INTO webhook_queue (event, payload) VALUES ($1, $2::jsonb)", event, json.dumps(payload)
    )


async def count_dead(connection: asyncpg.Connection) -> int:
    """The size of the dead letter queue."""
    return int(await connection.fetchval("SELECT count(*) FROM webhook_dead_letters"))


async def reprocess_dead(connection: asyncpg.Connection) -> int:
    """Queue every dead letter anew; how many."""
    rows = await connection.fetch("DELETE FROM webhook_dead_letters RETURNING event, payload")
    for row in rows:
        await enqueue(connection, row["event"], json.loads(row["payload"]))
    return len(rows)


async def deliver_due(database: Database, session: aiohttp.ClientSession, settings: Settings, metrics: Metrics) -> int:
    """Deliver what is due; how many were tried. Several replicas share the work: rows of another are skipped."""
    if settings.webhook_url is None:
        return 0
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT id, event, payload, attempts FROM webhook_queue WHERE next_attempt_at <= now()"
            " ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED",
            BATCH,
        )
        errors = await asyncio.gather(*(_post(session, settings.webhook_url, row) for row in rows))
        for row, error in zip(rows, errors, strict=True):
            metrics.webhooks.labels("success" if error is None else "failure").inc()
            await _settle(connection, row, error, settings)
    return len(rows)


async def _post(session: aiohttp.ClientSession, url: str, row: asyncpg.Record) -> str | None:
    body = {"id": row["id"], "event": row["event"], "payload": json.loads(row["payload"])}
    try:
        async with session.post(url, json=body, timeout=aiohttp.ClientTimeout(total=POST_SECONDS)) as answer:
            return None if answer.status < 300 else f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__


async def _settle(connection: asyncpg.Connection, row: asyncpg.Record, error: str | None, settings: Settings) -> None:
    if error is None:
        await connection.execute("DELETE FROM webhook_queue WHERE id = $1", row["id"])
        return
    attempts = row["attempts"] + 1
    delay = next_delay(attempts, base=settings.webhook_base_seconds, limit=settings.webhook_attempts)
    if delay is not None:
        await connection.execute(
            "UPDATE webhook_queue SET attempts = $2, next_attempt_at = now() + $3 WHERE id = $1",
            row["id"],
            attempts,
            timedelta(seconds=delay),
        )
        return
    await connection.execute(
        "WITH dead AS (DELETE FROM webhook_queue WHERE id = $1 RETURNING id, event, payload)"
        " INSERT INTO webhook_dead_letters (id, event, payload, attempts, last_error)"
        " SELECT id, event, payload, $2, $3 FROM dead",
        row["id"],
        attempts,
        error,
    )
    log.error("webhook given up", extra={"fields": {"webhook": row["id"], "event": row["event"], "reason": error}})
