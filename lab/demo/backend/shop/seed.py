# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data to try the application with. Adds only what is missing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from .passwords import hash_password

if TYPE_CHECKING:
    import asyncpg

PRODUCTS = {"Anchor": 12900, "Compass": 4590, "Hawser, 20 m": 7800, "Lantern": 3450, "Sextant": 21900}
EMAIL = "demo@shop.example"


async def seed(connection: asyncpg.Connection, password: str) -> None:
    """Products, and a user with a subscription that lasts a year."""
    await connection.executemany(
        "INSERT INTO products (name, price_cents) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", PRODUCTS.items()
    )
    user = await connection.fetchval(
        "INSERT INTO users (email, password_hash) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING RETURNING id",
        EMAIL,
        hash_password(password, secrets.token_bytes(16)),
    )
    if user is not None:
        await connection.execute(
            "INSERT INTO subscriptions (user_id, plan, expires_at) VALUES ($1, 'crew', now() + interval '1 year')", user
        )
