# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans of time as people write them."""

from __future__ import annotations

import re
from typing import Any

from .errors import OpsError

_DURATION = re.compile(r"^(\d+)\s*([smhdw]?)$")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(value: Any, where: str) -> float:
    """Seconds from a number or a text as ``90``, ``30m``, ``20h``, ``7d`` or ``2w``.

    Raises OpsError naming the option.
    """
    match = _DURATION.match(str(value).strip())
    if isinstance(value, bool) or match is None:
        raise OpsError(f"{where}: {value!r} is not a duration such as 90, 30m, 20h or 7d")
    return float(match.group(1)) * _UNITS[match.group(2)]
