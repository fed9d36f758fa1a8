# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens and who is connected, from the kernel itself and without starting a program.

Addresses are as ``/proc/net/tcp`` has them, in hexadecimal; it is read where the kernel answers no better question.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from .sock_diag import Socket, tcp_sockets

PROC = Path("/proc")
TABLES = ("tcp", "tcp6")
ESTABLISHED = 1
LISTEN = 10
DOCKERS_OWN = "0B00007F:"
"""127.0.0.11, where Docker answers for names in every container."""

Listening = Callable[[int], "frozenset[str] | None"]
"""Who listens in the network of a process."""
Connected = Callable[[Collection[int]], "frozenset[str]"]
"""Who is connected to ports of this host."""


def listening(pid: int, proc: Path = PROC) -> frozenset[str] | None:
    """The local addresses that are listened on in a process' network; None when that cannot be seen."""
    try:
        found = {local for local, _remote in _sockets(LISTEN, proc / str(pid))}
    except OSError:
        return None
    return frozenset(address for address in found if not address.startswith(DOCKERS_OWN))


def connected(ports: Collection[int], proc: Path = PROC) -> frozenset[str]:
    """The connections to ports of this process' own network, by both addresses; none when they cannot be seen."""
    wanted = {f"{port:04X}" for port in ports}
    try:
        return frozenset(
            f"{local} {remote}"
            for local, remote in _sockets(ESTABLISHED, proc / "self")
            if local.rpartition(":")[2] in wanted
        )
    except OSError:
        return frozenset()


def _sockets(state: int, process: Path) -> list[Socket]:
    """Local and remote address of each TCP socket in a process' network. Raises OSError when they cannot be read."""
    with contextlib.suppress(OSError):
        return tcp_sockets(state, process / "ns" / "net")
    return list(_read(state, process / "net"))


def _read(state: int, net: Path) -> Iterator[Socket]:
    for table in TABLES:
        if table != TABLES[0] and not (net / table).exists():
            continue  # a kernel without IPv6
        for fields in map(str.split, (net / table).read_text(encoding="ascii").splitlines()[1:]):
            if len(fields) > 3 and int(fields[3], 16) == state:
                yield fields[1], fields[2]
