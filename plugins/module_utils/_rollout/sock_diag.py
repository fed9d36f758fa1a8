# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP sockets as the kernel tells them over netlink (sock_diag(7)).

To write ``/proc/net/tcp`` the kernel walks a table that grows with the machine's memory: milliseconds of processor time
for a handful of sockets, against parts of one here.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
ERROR, DONE = 2, 3
CLONE_NEWNET = 0x40000000
ANSWER_SECONDS = 2.0
CHUNK = 65536
HEADER = struct.Struct("=IHHII")
QUESTION = struct.Struct("=BBBxI48s")
"""Family, protocol, extensions, states as bits; no particular address."""
ENDS = struct.Struct(">4xHH16s16s")
"""Of an answer: both ports and both addresses, after family, state and two that say nothing here."""
WORDS = {socket.AF_INET: struct.Struct("=I"), socket.AF_INET6: struct.Struct("=4I")}

Socket = tuple[str, str]
"""Local and remote address, in hexadecimal as in ``/proc/net/tcp``."""


def tcp_sockets(state: int, network: Path) -> list[Socket]:
    """The sockets in a state (its number in ``/proc/net/tcp``) of the network that a file names (namespaces(7)).

    Raises OSError where they cannot be asked for.
    """
    with _asking(network) as diag:
        diag.settimeout(ANSWER_SECONDS)
        return [found for family in WORDS for found in _asked(diag, family, state)]


def _asking(network: Path) -> socket.socket:
    """A socket belongs to the network in which it was made, so that a thread of its own enters there and ends."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def enter_and_make() -> None:
        try:
            _enter(network)
            made.append(socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _enter(network: Path) -> None:
    handle = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)


def _asked(diag: socket.socket, family: int, state: int) -> Iterator[Socket]:
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, 1 << state, b"")
    diag.send(HEADER.pack(HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + question)
    while True:
        answer = diag.recv(CHUNK)
        start = 0
        while start < len(answer):
            length, kind, *_unused = HEADER.unpack_from(answer, start)
            if kind == DONE:
                return
            if kind == ERROR:
                raise OSError("the kernel does not tell its sockets")
            local_port, remote_port, local, remote = ENDS.unpack_from(answer, start + HEADER.size)
            yield _address(family, local, local_port), _address(family, remote, remote_port)
            start += (length + 3) & ~3


def _address(family: int, address: bytes, port: int) -> str:
    words = WORDS[socket.AddressFamily(family)].unpack_from(address)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
