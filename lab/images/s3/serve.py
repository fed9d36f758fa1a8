# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves S3 and Secrets Manager on port 5000, and the same over TLS on 5443 once there is a certificate for it."""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

PLAIN_PORT, TLS_PORT = 5000, 5443
CERTIFICATE, KEY = Path("/etc/s3/tls/server.pem"), Path("/etc/s3/tls/server.key")


class Handler(MotoRequestHandler):  # type: ignore[misc]
    """Ends TLS as it should be ended, by which pgBackRest knows an answer from one that was cut."""

    def finish(self) -> None:
        super().finish()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(5)
            with suppress(OSError):
                self.connection.unwrap()


def main() -> None:
    """Serve until stopped. Both ports are one process, since the objects are in its memory."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    application: Any = DomainDispatcherApplication(create_backend_app)
    shared = {"threaded": True, "request_handler": Handler}
    if CERTIFICATE.exists():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        secured = make_server("0.0.0.0", TLS_PORT, application, ssl_context=context, **shared)  # noqa: S104
        threading.Thread(target=secured.serve_forever, daemon=True).start()
    make_server("0.0.0.0", PLAIN_PORT, application, **shared).serve_forever()  # noqa: S104


if __name__ == "__main__":
    main()
