# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make lab`: from nothing to a provisioned, checked fleet."""

from __future__ import annotations

from collections.abc import Sequence

from . import fleet
from .topology import Lab


def bring_up(names: Sequence[str], *, provision: bool) -> int:
    fleet.up(Lab().fleet(names))
    return 0
