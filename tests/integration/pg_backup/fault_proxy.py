# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 endpoint that misbehaves when told to: a proxy in front of a real one."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

Matches = Callable[[str, str], bool]


@dataclass
class Fault:
    """What goes wrong with the first ``times`` requests that ``matches`` (method, path).

    ``503``; ``cut`` in the middle of the request, ``cut answer`` in that of the answer; ``slow``: 16 MiB take a second;
    ``stuck``: takes a little of the request now and then, and never all.
    """

    kind: str
    matches: Matches
    times: int = 10**9
    hits: int = 0


@dataclass
class FaultProxy:
    """Forwards to ``upstream`` (host:port) on a port of its own."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def fail(self, kind: str, matches: Matches, times: int = 10**9) -> Fault:
        """Let matching requests fail from now on."""
        fault = Fault(kind, matches, times)
        self.faults.append(fault)
        return fault

    def chosen(self, method: str, path: str) -> str | None:
        """Count a request; the kind of failure it gets."""
        with self.lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.hits < fault.times and fault.matches(method, path):
                    fault.hits += 1
                    return fault.kind
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ClassVar[FaultProxy]

    def handle_any(self) -> None:
        fault = self.proxy.chosen(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut":
            self.rfile.read(length // 2)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if fault == "stuck":
            with suppress(OSError):
                # As much as lets the sender's system go on now and then, and 16 MiB in more than three minutes.
                while self.rfile.read(4096):
                    time.sleep(0.05)
            self.close_connection = True
            return
        body = self.read_slowly(length) if fault == "slow" else self.rfile.read(length)
        if fault == "503":
            text = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            self.answer(503, {"Content-Type": "application/xml"}, text)
            return
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "expect"}
        upstream.request(self.command, self.path, body, headers)
        found = upstream.getresponse()
        data = found.read()
        if fault == "cut answer":
            self.send_response_only(found.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        kept = {k: v for k, v in found.getheaders() if k.lower() not in ("connection", "transfer-encoding")}
        self.answer(found.status, kept, data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def read_slowly(self, length: int) -> bytes:
        body = b""
        while len(body) < length:
            body += self.rfile.read(min(2**20, length - len(body)))
            time.sleep(1 / 16)
        return body

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        given = {key.lower() for key in headers}
        for key, value in headers.items():
            self.send_header(key, value)
        if "content-length" not in given:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
