# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instant that a recovery ends at. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from .._core.errors import OpsError

LATEST = "latest"
_TIME = re.compile(
    r"^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?(?:[.,](\d{1,6}))?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)$", re.IGNORECASE
)
_EXAMPLE = "as in '2026-11-22 10:00:00+00'"


@dataclass(frozen=True, slots=True)
class Target:
    """``time`` is in UTC; None means the end of what was archived."""

    time: datetime | None

    @property
    def text(self) -> str:
        """As PostgreSQL and pgBackRest read it, and as people do."""
        if self.time is None:
            return LATEST
        fraction = f".{self.time.microsecond:06d}".rstrip("0") if self.time.microsecond else ""
        return f"{self.time:%Y-%m-%d %H:%M:%S}{fraction}+00"


def parse_target(text: str) -> Target:
    """A target from what a person wrote: a time with its offset from UTC, or ``latest``. Raises OpsError."""
    text = text.strip()
    if text == LATEST:
        return Target(None)
    match = _TIME.match(text)
    if match is None:
        raise OpsError(
            f"target_time {text!r} is neither {LATEST} nor a date and time with the offset from UTC, {_EXAMPLE}"
        )
    day, minute, second, fraction, offset = match.groups()
    if offset.upper() in ("Z", "UTC"):
        offset = "+00:00"
    digits = offset[1:].replace(":", "").ljust(4, "0")
    written = f"{day}T{minute}{second or ':00'}.{(fraction or '').ljust(6, '0')}{offset[0]}{digits[:2]}:{digits[2:]}"
    try:
        return Target(datetime.fromisoformat(written).astimezone(timezone.utc))
    except (ValueError, OverflowError):
        raise OpsError(f"target_time {text!r} is no date and time, {_EXAMPLE}") from None
