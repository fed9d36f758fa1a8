# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small application: answers its version, finishes its requests when told to stop, and misbehaves on demand."""

from __future__ import annotations

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

VERSION = Path("/application/version").read_text(encoding="utf-8").strip()
SICK_AFTER = float(os.environ.get("APP_SICK_AFTER", "inf"))
BEGAN = time.monotonic()
TOKEN = os.environ.get("APP_TOKEN", "")
BOOT = float(os.environ.get("APP_BOOT", "0.2"))
EARLY = "APP_EARLY" in os.environ


class Handler(BaseHTTPRequestHandler):
    """GET and POST of anything takes a moment, and so may /health, which is 503 in the version named bad.

    One that listens early answers everything with 503 until it has booted.
    """

    def do_GET(self) -> None:
        if EARLY and time.monotonic() - BEGAN < BOOT:
            self._answer(503)
            return
        if self.path == "/health":
            time.sleep(float(os.environ.get("APP_LOOKS_FOR", "0")))
            self._answer(503 if VERSION == "bad" or time.monotonic() - BEGAN > SICK_AFTER else 200)
            return
        asked = self.path.partition("?seconds=")[2]
        time.sleep(float(asked or os.environ.get("APP_SECONDS", "0.05")))
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass

    def _answer(self, status: int) -> None:
        body = VERSION.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Waits for its requests when it closes."""

    daemon_threads = False
    request_queue_size = 128


print(f"version {VERSION} begins with token {TOKEN}", flush=True)
if VERSION == "crash":
    raise SystemExit(3)
if not EARLY:
    time.sleep(BOOT)
server = Server(("", 8000), Handler)
if "APP_IGNORE_TERM" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
