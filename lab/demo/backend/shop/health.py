# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /health and /api/health say. Pure: states in, documents out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

HEALTHY, UNHEALTHY, DISABLED = "healthy", "unhealthy", "disabled"
HARD = frozenset({"database"})
"""Without these no request can be served; without the others the application is degraded and goes on."""


def overall(services: Mapping[str, str]) -> str:
    """``healthy``, ``degraded`` (a dependency is down that we can do without) or ``unhealthy``."""
    down = {name for name, state in services.items() if state == UNHEALTHY}
    if down & HARD:
        return "unhealthy"
    return "degraded" if down else "healthy"


def document(services: Mapping[str, str], *, now: datetime, uptime: float, failing: bool = False) -> dict[str, object]:
    """The answer of /health."""
    return {
        "status": "unhealthy" if failing else overall(services),
        "timestamp": stamp(now),
        "uptime": int(uptime),
        "services": dict(services),
    }


def short_document(full: Mapping[str, object], services: Mapping[str, str]) -> dict[str, object]:
    """The answer of /api/health, made from that of /health."""
    database = "connected" if services.get("database") == HEALTHY else "disconnected"
    return {"status": full["status"], "timestamp": full["timestamp"], "uptime": full["uptime"], "database": database}


def status_code(full: Mapping[str, object]) -> int:
    """503 takes the instance out of the balancer; a degraded one stays in."""
    return 503 if full["status"] == "unhealthy" else 200


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
