# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the request handlers share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone

from aiohttp import web

from .faults import ErrorBudget, Faults
from .health import DISABLED, HEALTHY, UNHEALTHY
from .metrics import Metrics
from .settings import Settings
from .store import Cache, Database

SMTP_SECONDS = 2.0


@dataclass(slots=True)
class Shop:
    """The running application."""

    settings: Settings
    metrics: Metrics
    faults: Faults
    started: float = field(default_factory=time.monotonic)
    unready: bool = False
    errors: ErrorBudget = field(default_factory=ErrorBudget)
    ballast: bytearray = field(default_factory=bytearray)
    email: str = DISABLED
    database: Database = field(init=False)
    cache: Cache = field(init=False)

    def uptime(self) -> float:
        return time.monotonic() - self.started

    def use_faults(self, faults: Faults) -> None:
        """Let ``faults`` take effect."""
        self.faults = faults
        self.ballast = bytearray(int(faults.memory_megabytes * 2**20))

    async def services(self) -> dict[str, str]:
        """The state of every dependency, each asked within its time limit."""
        database, redis = await asyncio.gather(self.database.healthy(), self.cache.healthy())
        return {"database": _state(database), "redis": _state(redis), "email": self.email}

    async def check_email(self) -> None:
        """Ask the mail server; it is no part of a request, so its state is kept from the last look."""
        if self.settings.smtp is None:
            return
        try:
            async with asyncio.timeout(SMTP_SECONDS):
                reader, writer = await asyncio.open_connection(*self.settings.smtp)
                greeting = await reader.readline()
        except (OSError, TimeoutError):
            self.email = UNHEALTHY
            return
        self.email = _state(greeting.startswith(b"220"))
        writer.close()


SHOP = web.AppKey("shop", Shop)


def now() -> datetime:
    """The present instant in UTC."""
    return datetime.now(timezone.utc)


def _state(healthy: bool) -> str:
    return HEALTHY if healthy else UNHEALTHY
