# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What secret_info tells: ages and labels, from stores that are only looked at."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from .._core.clock import Clock, SystemClock
from .._core.duration import parse_duration
from .._rollout.options import without_none
from .credential import SecretVersion
from .stores import Connections, open_store

THREADS = 16


def tell(params: Mapping[str, Any]) -> dict[str, object]:
    """The module's result. Raises OpsError."""
    clock, connections = SystemClock(), Connections()

    def one(numbered: tuple[int, Mapping[str, Any]]) -> dict[str, object]:
        index, entry = numbered
        return _look(entry, params, f"secrets[{index}]", clock, connections)

    with ThreadPoolExecutor(THREADS) as pool:
        return {"changed": False, "secrets": list(pool.map(one, enumerate(params["secrets"])))}


def _look(
    entry: Mapping[str, Any], params: Mapping[str, Any], where: str, clock: Clock, connections: Connections
) -> dict[str, object]:
    options = {**without_none(params["store"] or {}), **without_none(entry["store"] or {})}
    holdings = open_store(options, f"{where}.store", clock, connections).inspect()
    current = holdings.current
    span = parse_duration(entry["max_age"] or params["max_age"], f"{where}.max_age")
    due = current.created + timedelta(seconds=span) if current else None
    return {
        "name": entry["name"],
        "exists": current is not None,
        "created": current.created.isoformat() if current else None,
        "due": due.isoformat() if due else None,
        "overdue": due is not None and clock.now() >= due,
        "current": _id(current),
        "pending": _id(holdings.pending),
        "previous": _id(holdings.previous),
    }


def _id(version: SecretVersion | None) -> str | None:
    return version.id if version else None
