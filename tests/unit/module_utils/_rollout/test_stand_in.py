# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unused ports while a proxy has not found out that they are: checks fail, and no request does."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._rollout import caddy_config
from ansible_collections.keelson.ops.plugins.module_utils._rollout.stand_in import StandIn


class Answer(http.server.BaseHTTPRequestHandler):
    """Gives back what it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def serving() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def unused() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def ask(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_checks_fail_requests_are_served_and_afterwards_nobody_listens(serving: str, unused: str) -> None:
    with StandIn([unused, serving], [serving], ["/health", "/up"], 2):
        assert ask(unused, "POST", "/order", b"two apples") == (200, b"two apples")
        assert ask(unused, "GET", "/health") == (503, b"")
        assert ask(unused, "GET", "/up") == (503, b"")
        assert ask(serving, "POST", "/order", b"it is in use") == (200, b"it is in use")
    with pytest.raises(ConnectionRefusedError):
        ask(unused, "GET", "/health")


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"health_checks": {"active": {"uri": "/health"}}}, ("/health", 1)),
        ({"health_checks": {"active": {"uri": "/up", "fails": 2}}, "transport": {"protocol": "http"}}, ("/up", 2)),
        ({"health_checks": {"passive": {"fail_duration": 1}}}, None),
        ({"health_checks": {"active": {"uri": "/health", "port": 9000}}}, None),
        ({"health_checks": {"active": {"uri": "/health"}}, "transport": {"protocol": "http", "tls": {}}}, None),
        ({"health_checks": {"active": {"uri": "/"}}, "transport": {"protocol": "http", "versions": ["h2c"]}}, None),
    ],
)
def test_what_caddys_checks_ask_for(facts: dict[str, object], found: tuple[str, int] | None) -> None:
    assert caddy_config.probing({"handler": "reverse_proxy", **facts}) == found
