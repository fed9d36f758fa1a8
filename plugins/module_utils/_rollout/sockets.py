# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens and who is connected, read from the kernel's tables without starting a program (proc(5), net/tcp).

Addresses are as the kernel writes them, in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

PROC = Path("/proc")
TABLES = ("tcp", "tcp6")
ESTABLISHED = "01"
LISTEN = "0A"
DOCKERS_OWN = "0B00007F:"
"""127.0.0.11, where Docker answers for names in every container."""

Listening = Callable[[int], "frozenset[str] | None"]
"""Who listens in the network of a process."""
Connected = Callable[[Collection[int]], "frozenset[str]"]
"""Who is connected to ports of this host."""


def listening(pid: int, proc: Path = PROC) -> frozenset[str] | None:
    """The local addresses that are listened on in a process' network; None when that cannot be seen."""
    try:
        found = {local for local, _remote, state in _sockets(proc / str(pid) / "net") if state == LISTEN}
    except OSError:
        return None
    return frozenset(address for address in found if not address.startswith(DOCKERS_OWN))


def connected(ports: Collection[int], proc: Path = PROC) -> frozenset[str]:
    """The connections to ports of this process' own network, by both addresses; none when they cannot be seen."""
    wanted = {f"{port:04X}" for port in ports}
    try:
        return frozenset(
            f"{local} {remote}"
            for local, remote, state in _sockets(proc / "self" / "net")
            if state == ESTABLISHED and local.rpartition(":")[2] in wanted
        )
    except OSError:
        return frozenset()


def _sockets(net: Path) -> Iterator[tuple[str, str, str]]:
    """Local address, remote address and state of each TCP socket. Raises OSError when they cannot be read."""
    for table in TABLES:
        if table != TABLES[0] and not (net / table).exists():
            continue  # a kernel without IPv6
        for fields in map(str.split, (net / table).read_text(encoding="ascii").splitlines()[1:]):
            if len(fields) > 3:
                yield fields[1], fields[2], fields[3]
