# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges said of other roles, recorded once by hand: they take minutes to hours.

Lynis 3.1.7, SCAP Security Guide 0.1.82 and ssh-audit 3.9 on fresh systemd containers; bare ones got 58 (Debian 12) and
59 (Debian 13) from Lynis. No command of this repository measures them again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """The verdict on a role with its defaults: Lynis' index, shares in percent of the rules that apply, ssh-audit."""

    name: str
    release: str
    lynis: int
    cis_1: float
    cis_2: float
    anssi: float
    ssh: str

    def row(self) -> list[object]:
        """The cells of a table."""
        return [self.name, self.lynis, *(f"{share} %" for share in (self.cis_1, self.cis_2, self.anssi)), self.ssh]


HEADER = ["others, as recorded", "Lynis", "CIS level 1", "CIS level 2", "ANSSI enhanced", "ssh-audit fail/warn"]
REFERENCES = (
    Reference("geerlingguy.security", "bookworm", 62, 66.7, 63.9, 45.7, "6/16"),
    Reference("ansible-lockdown DEBIAN12-CIS", "bookworm", 67, 81.7, 80.4, 59.8, "6/16"),
    Reference("devsec.hardening", "bookworm", 74, 83.3, 70.1, 49.8, "1/5"),
    Reference("konstruktoid.hardening (stopped half way)", "bookworm", 78, 83.5, 77.7, 59.6, "6/16"),
    Reference("devsec.hardening", "trixie", 75, 81.0, 66.8, 49.6, "6/12"),
)
