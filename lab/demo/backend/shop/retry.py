# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a failed webhook is tried again. Pure."""

from __future__ import annotations

LONGEST = 3600.0


def next_delay(attempts: int, *, base: float, limit: int) -> float | None:
    """Seconds until the next attempt after ``attempts`` failed ones, doubling each time; None gives up."""
    if attempts >= limit:
        return None
    return float(min(base * 2 ** (attempts - 1), LONGEST))
