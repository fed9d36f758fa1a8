# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upstream for the tests: says on which port it was asked, takes a moment, and drains before it stops."""

import hashlib
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(sys.argv[1])
DRAIN_SECONDS = 3.0
stopping = threading.Event()


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        if self.path.startswith("/api/"):
            time.sleep(0.05)  # requests are running while another process of this service stops
        sent = {
            "port": PORT,
            "length": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        content = json.dumps(sent).encode()
        self.send_response(503 if stopping.is_set() and self.path == "/health" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Server", "backend/1.0")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


def stop(server):
    """Unhealthy at once, so that the proxy sends nothing more; gone when it had time to notice."""
    stopping.set()
    threading.Timer(DRAIN_SECONDS, server.shutdown).start()


def main():
    server = Server(("127.0.0.1", PORT), Backend)
    signal.signal(signal.SIGTERM, lambda *_: stop(server))
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
