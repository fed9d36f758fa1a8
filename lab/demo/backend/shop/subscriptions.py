# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions: counted when they are about to end, closed when they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .webhooks import enqueue

if TYPE_CHECKING:
    import asyncpg


async def of_user(connection: asyncpg.Connection, user: int) -> list[dict[str, object]]:
    """The user's subscriptions, newest end first."""
    rows = await connection.fetch(
        "SELECT id, plan, status, expires_at FROM subscriptions WHERE user_id = $1 ORDER BY expires_at DESC", user
    )
    return [
        {"id": row["id"], "plan": row["plan"], "status": row["status"], "expiresAt": row["expires_at"].isoformat()}
        for row in rows
    ]


async def has_active(connection: asyncpg.Connection, user: int) -> bool:
    """Whether the user may order."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM subscriptions WHERE user_id = $1 AND status = 'active' AND expires_at > now())"
    )
    return bool(await connection.fetchval(query, user))


async def count_expiring(connection: asyncpg.Connection) -> int:
    """Active subscriptions that end within 24 hours."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM subscriptions WHERE status = 'active'"
            " AND expires_at BETWEEN now() AND now() + interval '24 hours'"
        )
    )


async def close_expired(connection: asyncpg.Connection) -> int:
    """Mark those that have ended and tell it by webhook; how many."""
    rows = await connection.fetch(
        "UPDATE subscriptions SET status = 'expired'"
        " WHERE status = 'active' AND expires_at <= now() RETURNING id, user_id"
    )
    for row in rows:
        await enqueue(connection, "subscription.expired", {"subscription": row["id"], "user": row["user_id"]})
    return len(rows)
