# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping secrets out of text that is shown, logged or stored."""

from __future__ import annotations

from collections.abc import Iterable

MASK = "********"


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every non-empty secret replaced, longest first so that no tail of one survives."""
    for secret in sorted({s for s in secrets if s}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
