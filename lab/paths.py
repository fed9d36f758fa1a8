# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab finds its parts and keeps its state; everything it writes is below ``.cache``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "lab" / "images"
DEMO = ROOT / "lab" / "demo"
CACHE = ROOT / ".cache"
SSH_KEY = CACHE / "ssh" / "id_ed25519"


def fleet_state(fleet: str) -> Path:
    """The directory of one fleet's inventory, certificates, known hosts and secrets."""
    return CACHE / "fleets" / fleet
