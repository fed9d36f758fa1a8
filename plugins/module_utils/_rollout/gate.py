# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a container out of service without telling the proxy: its own network refuses new connections.

A refused connection is the one failure that every proxy retries elsewhere, for any method, as nothing was sent. The
rule lives in the container's network namespace and goes with it; the host's firewall is not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .runtime import Container

T = TypeVar("T")

RULE = (
    "INPUT", "-p", "tcp", "--syn", "!", "-i", "lo", "-m", "comment", "--comment", "keelson rollout",
    "-j", "REJECT", "--reject-with", "tcp-reset",
)  # fmt: skip
COMMAND_SECONDS = 15.0
MOST_RULES = 5
QUIET_MILLISECONDS = 250
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")


class NetworkGate:
    """Gate by iptables and ss, entered through the container's network namespace."""

    def __init__(self, runner: Runner, proc: Path = Path("/proc")) -> None:
        self._runner = runner
        self._proc = proc

    def close(self, containers: Sequence[Container]) -> dict[str, str]:
        """Refuse new connections from outside; by name, why that cannot be done for a container on this host."""
        reasons = zip(containers, _at_once(self._close, containers), strict=True)
        return {container.name: reason for container, reason in reasons if reason is not None}

    def open(self, container: Container) -> None:
        """Take every such rule away; nothing happens when there is none or the container has gone."""
        for tool in ("iptables", "ip6tables"):
            for _unused in range(MOST_RULES):
                try:
                    self._refuse_host_network(container)
                    self._run(container, tool, "-w", "5", "-D", *RULE)
                except OpsError:
                    break

    def in_flight(self, containers: Sequence[Container]) -> int:
        """How many connections to any of them carry a request; none to one that has gone."""
        return sum(_at_once(self._in_flight, containers))

    def _close(self, container: Container) -> str | None:
        try:
            self._refuse_host_network(container)
            self._run(container, "iptables", "-w", "5", "-I", *RULE)
        except OpsError as error:
            return error.message
        with contextlib.suppress(CommandFailed):  # a host without IPv6
            self._run(container, "ip6tables", "-w", "5", "-I", *RULE)
        return None

    def _in_flight(self, container: Container) -> int:
        try:
            return in_flight(self._run(container, "ss", "-tanHOi"))
        except CommandFailed:
            return 0

    def _refuse_host_network(self, container: Container) -> None:
        try:
            own = (self._proc / str(container.pid) / "ns" / "net").stat().st_ino
            hosts = (self._proc / "1" / "ns" / "net").stat().st_ino
        except OSError as error:
            raise OpsError(f"the network of container {container.name} is not there ({error.strerror})") from None
        if own == hosts:
            raise OpsError(f"container {container.name} uses the host's network, which is never closed")

    def _run(self, container: Container, *argv: str) -> str:
        network = f"--net={self._proc}/{container.pid}/ns/net"
        return self._runner.run(Command(("nsenter", network, *argv)), timeout=COMMAND_SECONDS).stdout


def _at_once(look: Callable[[Container], T], containers: Sequence[Container]) -> list[T]:
    """What is mostly a wait for programs, for all containers beside each other."""
    with ThreadPoolExecutor(max_workers=max(1, len(containers))) as together:
        return list(together.map(look, containers))


def in_flight(sockets: str) -> int:
    """Count connections with work in them in the output of ``ss -tanHOi`` (one socket a line).

    Only those that came in over the network. Work is: bytes waiting in a queue, a handshake under way, more received
    than answered, or any byte within the last quarter of a second. An idle keep-alive connection is none.
    """
    lines = [fields for line in sockets.splitlines() if len(fields := line.split()) >= 5]
    listening = {_port(fields[3]) for fields in lines if fields[0] == "LISTEN"}
    return sum(
        1
        for state, received, sent, local, _unused, *details in lines
        if state not in ("LISTEN", "TIME-WAIT")
        and _port(local) in listening
        and not local.startswith(LOOPBACK)
        and (state == "SYN-RECV" or received != "0" or sent != "0" or _is_working(state, details))
    )


def _is_working(state: str, details: list[str]) -> bool:
    if state not in ("ESTAB", "CLOSE-WAIT"):
        return False
    facts = dict(detail.split(":", 1) for detail in details if ":" in detail)
    since_sent = int(facts.get("lastsnd", "0"))
    since_received = int(facts.get("lastrcv", "0"))
    return min(since_sent, since_received) < QUIET_MILLISECONDS or since_received < since_sent


def _port(address: str) -> str:
    return address.rpartition(":")[2]
