# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Products and orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .webhooks import enqueue

if TYPE_CHECKING:
    import asyncpg

PAGE = 50


async def products(connection: asyncpg.Connection) -> list[dict[str, object]]:
    """What can be bought."""
    rows = await connection.fetch("SELECT id, name, price_cents FROM products ORDER BY id")
    return [{"id": row["id"], "name": row["name"], "priceCents": row["price_cents"]} for row in rows]


async def place(connection: asyncpg.Connection, user: int, product: int, quantity: int) -> dict[str, object] | None:
    """Order ``quantity`` of ``product`` and tell it by webhook; None when there is no such product."""
    row = await connection.fetchrow(
        "INSERT INTO orders (user_id, product_id, quantity, total_cents)"
        " SELECT $1, id, $3::integer, price_cents::bigint * $3::integer FROM products WHERE id = $2"
        " RETURNING id, product_id, quantity, total_cents, created_at",
        user,
        product,
        quantity,
    )
    if row is None:
        return None
    order = _order(row)
    await enqueue(connection, "order.placed", order)
    return order


async def newest(connection: asyncpg.Connection, user: int, before: int | None) -> list[dict[str, object]]:
    """A page of the user's orders, newest first; ``before`` is the last id of the page before."""
    rows = await connection.fetch(
        "SELECT id, product_id, quantity, total_cents, created_at FROM orders"
        " WHERE user_id = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        user,
        before,
        PAGE,
    )
    return [_order(row) for row in rows]


def _order(row: asyncpg.Record) -> dict[str, object]:
    return {
        "id": row["id"],
        "productId": row["product_id"],
        "quantity": row["quantity"],
        "totalCents": row["total_cents"],
        "createdAt": row["created_at"].isoformat(),
    }
