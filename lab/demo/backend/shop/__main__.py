# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m shop serve | migrate | status | rollback | seed | check-subscriptions | reprocess-dead-letters``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from . import migrations
from .logs import configure
from .seed import seed
from .server import serve
from .settings import Settings, SettingsError, load
from .subscriptions import close_expired
from .webhooks import reprocess_dead

log = logging.getLogger(__name__)
SQL = Path(__file__).parent / "sql"


async def _migrate(connection: asyncpg.Connection) -> None:
    done = await migrations.migrate(connection, _known())
    log.info("migrated", extra={"fields": {"applied": [str(migration) for migration in done]}})


async def _status(connection: asyncpg.Connection) -> None:
    sys.stdout.write("\n".join(migrations.describe(_known(), await migrations.read_applied(connection))) + "\n")


async def _rollback(connection: asyncpg.Connection) -> None:
    undone = await migrations.rollback(connection, _known())
    log.info("rolled back", extra={"fields": {"migration": str(undone)}})


async def _seed(connection: asyncpg.Connection) -> None:
    await seed(connection, os.environ.get("SEED_PASSWORD", "demo-password"))
    log.info("seeded")


async def _check_subscriptions(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        log.info("subscriptions checked", extra={"fields": {"expired": await close_expired(connection)}})


async def _reprocess_dead_letters(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        log.info("dead letters queued anew", extra={"fields": {"count": await reprocess_dead(connection)}})


COMMANDS: dict[str, Callable[[asyncpg.Connection], Awaitable[None]]] = {
    "migrate": _migrate,
    "status": _status,
    "rollback": _rollback,
    "seed": _seed,
    "check-subscriptions": _check_subscriptions,
    "reprocess-dead-letters": _reprocess_dead_letters,
}


def _known() -> list[migrations.Migration]:
    return migrations.parse({path.name: path.read_text(encoding="utf-8") for path in SQL.glob("*.sql")})


async def _with_connection(settings: Settings, command: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    connection = await asyncpg.connect(settings.database_url, password=settings.database_password, timeout=10)
    try:
        await command(connection)
    finally:
        await connection.close()


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    name = arguments[0] if arguments else "serve"
    if len(arguments) > 1 or name not in {"serve", *COMMANDS}:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    configure(os.environ.get("LOG_LEVEL", "info"))
    try:
        settings = load(os.environ, lambda path: Path(path).read_text(encoding="utf-8"))
        if name == "serve":
            asyncio.run(serve(settings))
        else:
            asyncio.run(_with_connection(settings, COMMANDS[name]))
    except (SettingsError, migrations.MigrationError) as error:
        log.error("%s", error)  # noqa: TRY400
        return 1
    except (OSError, asyncpg.PostgresError) as error:
        log.error("database: %s", error)  # noqa: TRY400
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
