# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's own routes below /api."""

from __future__ import annotations

import json
import logging
import time

from aiohttp import web

from . import orders, subscriptions, webhooks
from .passwords import password_matches
from .state import SHOP
from .tokens import TokenError, issue, subject_of

log = logging.getLogger(__name__)
PRODUCTS_SECONDS = 300
LARGEST_QUANTITY = 1000


async def login(request: web.Request) -> web.Response:
    shop = request.app[SHOP]
    body = await _body(request)
    email, password = str(body.get("email", "")), str(body.get("password", ""))
    async with shop.database.connection() as connection:
        row = await connection.fetchrow("SELECT id, password_hash FROM users WHERE email = $1", email)
    if row is None or not password_matches(password, row["password_hash"]):
        raise _error(web.HTTPUnauthorized, "wrong e-mail address or password")
    seconds = shop.settings.jwt_seconds
    token = issue(str(row["id"]), secrets=shop.settings.jwt_secrets, now=int(time.time()), seconds=seconds)
    log.info("User authenticated", extra={"fields": {"userId": row["id"], "ip": request.remote}})
    return web.json_response({"token": token, "expiresIn": seconds})


async def me(request: web.Request) -> web.Response:
    user = _user(request)
    async with request.app[SHOP].database.connection() as connection:
        email = await connection.fetchval("SELECT email FROM users WHERE id = $1", user)
        plans = await subscriptions.of_user(connection, user)
    return web.json_response({"id": user, "email": email, "subscriptions": plans})


async def list_products(request: web.Request) -> web.Response:
    shop = request.app[SHOP]

    async def load() -> object:
        async with shop.database.connection() as connection:
            return await orders.products(connection)

    return web.json_response(await shop.cache.get_or("shop:products", PRODUCTS_SECONDS, load))


async def place_order(request: web.Request) -> web.Response:
    user, body = _user(request), await _body(request)
    product, quantity = body.get("productId"), body.get("quantity", 1)
    if not isinstance(product, int) or not isinstance(quantity, int) or not 0 < quantity <= LARGEST_QUANTITY:
        raise _error(web.HTTPUnprocessableEntity, f"productId and quantity (1 to {LARGEST_QUANTITY}) are whole numbers")
    async with request.app[SHOP].database.connection() as connection:
        if not await subscriptions.has_active(connection, user):
            raise _error(web.HTTPForbidden, "the subscription has ended")
        order = await orders.place(connection, user, product, quantity)
    if order is None:
        raise _error(web.HTTPNotFound, "no such product")
    return web.json_response(order, status=201)


async def list_orders(request: web.Request) -> web.Response:
    user, before = _user(request), request.query.get("before")
    async with request.app[SHOP].database.connection() as connection:
        page = await orders.newest(connection, user, int(before) if before and before.isdecimal() else None)
    return web.json_response(page)


async def reprocess_dead_letters(request: web.Request) -> web.Response:
    _user(request)
    async with request.app[SHOP].database.connection() as connection:
        count = await webhooks.reprocess_dead(connection)
    return web.json_response({"requeued": count})


async def list_dead_letters(request: web.Request) -> web.Response:
    _user(request)
    async with request.app[SHOP].database.connection() as connection:
        rows = await connection.fetch(
            "SELECT id, event, attempts, last_error FROM webhook_dead_letters ORDER BY id DESC LIMIT 100"
        )
    return web.json_response([dict(row) for row in rows])


def _user(request: web.Request) -> int:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise _error(web.HTTPUnauthorized, "sign in first")
    try:
        return int(subject_of(token, secrets=request.app[SHOP].settings.jwt_secrets))
    except TokenError as error:
        raise _error(web.HTTPUnauthorized, str(error)) from None


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _error(web.HTTPBadRequest, "expected a JSON object")
    return body


def _error(kind: type[web.HTTPClientError], message: str) -> web.HTTPClientError:
    return kind(text=json.dumps({"error": message}), content_type="application/json")


def add_routes(router: web.UrlDispatcher) -> None:
    """Register the routes of this file."""
    router.add_post("/api/auth/login", login)
    router.add_get("/api/me", me)
    router.add_get("/api/products", list_products)
    router.add_post("/api/orders", place_order)
    router.add_get("/api/orders", list_orders)
    router.add_get("/api/webhooks/dead-letters", list_dead_letters)
    router.add_post("/api/webhooks/dead-letters/reprocess", reprocess_dead_letters)
