# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens in a container's network: the cheapest sign that it comes up, read without starting a program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Listening = Callable[[int], "frozenset[str] | None"]
"""Who listens in the network of a process."""

PROC = Path("/proc")
TABLES = ("tcp", "tcp6")
LISTEN = "0A"
DOCKERS_OWN = "0B00007F:"
"""127.0.0.11, where Docker answers for names in every container."""


def listening(pid: int, proc: Path = PROC) -> frozenset[str] | None:
    """The local addresses, as the kernel writes them, that are listened on; None when that cannot be seen."""
    found: set[str] = set()
    for table in TABLES:
        try:
            lines = (proc / str(pid) / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            if table == TABLES[0]:
                return None
            continue  # a kernel without IPv6
        found |= {fields[1] for fields in map(str.split, lines) if len(fields) > 3 and fields[3] == LISTEN}
    return frozenset(address for address in found if not address.startswith(DOCKERS_OWN))
