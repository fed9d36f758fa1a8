# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a request under way, and that the host's own network is never closed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._rollout.gate import NetworkGate, in_flight
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Container

LISTENING = "LISTEN 0 128 0.0.0.0:8000 0.0.0.0:* bbr cwnd:10\nLISTEN 0 4096 127.0.0.11:41000 0.0.0.0:*\n"
CLIENT = "172.18.0.4:8000 172.18.0.1:40848 bbr rto:200 cwnd:10"


@pytest.mark.parametrize(
    ("socket", "working"),
    [
        (f"ESTAB 0 0 {CLIENT} bytes_received:18 lastsnd:9040 lastrcv:3000 lastack:32", 1),
        (f"ESTAB 0 0 {CLIENT} bytes_received:18 lastsnd:2000 lastrcv:3000 lastack:32", 0),
        (f"ESTAB 0 0 {CLIENT} bytes_received:18 lastsnd:100 lastrcv:3000 lastack:32", 1),
        (f"ESTAB 0 0 {CLIENT} lastsnd:9000 lastrcv:9000", 0),
        (f"ESTAB 7 0 {CLIENT} lastsnd:9000 lastrcv:9000", 1),
        (f"SYN-RECV 0 0 {CLIENT}", 1),
        (f"FIN-WAIT-1 0 500 {CLIENT}", 1),
        (f"FIN-WAIT-2 0 0 {CLIENT}", 0),
        (f"TIME-WAIT 0 0 {CLIENT}", 0),
        (f"CLOSE-WAIT 0 0 {CLIENT} lastsnd:9000 lastrcv:3000", 1),
        ("ESTAB 0 0 127.0.0.1:8000 127.0.0.1:5 lastsnd:1 lastrcv:1", 0),
        ("ESTAB 0 0 172.18.0.4:55000 172.18.0.9:5432 lastsnd:1 lastrcv:1", 0),
        ("ESTAB 0 0 [::ffff:172.18.0.4]:8000 [::ffff:172.18.0.1]:5 lastsnd:1 lastrcv:1", 1),
    ],
)
def test_work_on_a_connection(socket: str, working: int) -> None:
    assert in_flight(LISTENING + socket + "\n") == working


class NoRunner:
    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        raise AssertionError(command)


def test_the_network_of_the_host_is_never_closed(tmp_path: Path) -> None:
    (tmp_path / "host").touch()
    for pid in ("1", "7"):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "ns" / "net").symlink_to(tmp_path / "host")
    container = Container("c", "web-1", "web", 1, "h", "i", "running", pid=7)
    refused = NetworkGate(NoRunner(), tmp_path).close([container])
    assert refused == {"web-1": "container web-1 uses the host's network, which is never closed"}
