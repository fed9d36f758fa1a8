# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catches mail (SMTP, port 1025) and webhooks (HTTP, port 8025) and shows what it caught.

GET /messages, GET /webhooks: what arrived, oldest first. POST /webhook/<name>: caught. DELETE /messages,
DELETE /webhooks: forgotten. GET /: both, to look at. Everything is kept in memory, the newest 500 of each kind.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from datetime import datetime, timezone
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

CAUGHT: dict[str, deque[dict[str, Any]]] = {"messages": deque(maxlen=500), "webhooks": deque(maxlen=500)}
LOCK = threading.Lock()
MAX_BODY_BYTES = 1 << 20


def catch(kind: str, entry: dict[str, Any]) -> None:
    with LOCK:
        CAUGHT[kind].append({"at": datetime.now(timezone.utc).isoformat(), **entry})


class MailHandler:
    """aiosmtpd calls this for each message."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = message_from_bytes(envelope.content, policy=policy.default)
        body = message.get_body(preferencelist=("plain", "html"))
        catch(
            "messages",
            {
                "from": envelope.mail_from,
                "to": list(envelope.rcpt_tos),
                "subject": str(message["subject"]),
                "body": body.get_content() if body is not None else "",
            },
        )
        return "250 caught"


class Inbox(BaseHTTPRequestHandler):
    """The HTTP side."""

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        with LOCK:
            if kind in CAUGHT:
                self._answer(200, list(CAUGHT[kind]))
            elif not kind:
                self._answer(200, {name: list(entries) for name, entries in CAUGHT.items()})
            else:
                self._answer(404, {"error": "there are /messages and /webhooks"})

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES)
        text = self.rfile.read(length).decode(errors="replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        catch("webhooks", {"path": self.path, "headers": dict(self.headers), "body": body})
        self._answer(200, {"caught": True})

    def do_DELETE(self) -> None:
        kind = self.path.strip("/")
        with LOCK:
            if kind in CAUGHT:
                CAUGHT[kind].clear()
        self._answer(200 if kind in CAUGHT else 404, {})

    def _answer(self, status: int, content: object) -> None:
        data = json.dumps(content, indent=1).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the inbox itself is the record."""


def main() -> None:
    """Serve until stopped."""
    Controller(MailHandler(), hostname="0.0.0.0", port=1025).start()  # noqa: S104
    ThreadingHTTPServer(("0.0.0.0", 8025), Inbox).serve_forever()  # noqa: S104


if __name__ == "__main__":
    main()
