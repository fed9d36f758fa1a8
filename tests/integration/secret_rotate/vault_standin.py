# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for HashiCorp Vault, which no package registry of ours has: KV version 2 and AppRole over HTTP.

It enforces what the store relies on: tokens, ``cas``, numbered versions, ``max_versions``, metadata with custom keys of
limited size, and that a deleted path starts anew.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "vault-token-of-a-test"
ROLE = ("role-of-a-test", "secret-id-of-a-test")
Answer = tuple[int, Any]


@dataclass
class Path:
    """Versions and metadata of one path."""

    versions: dict[int, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    current: int = 0
    most: int = 0
    custom: dict[str, str] = field(default_factory=dict)
    age: timedelta = timedelta(0)


class VaultStandin:
    """A server on a port of its own, with one mount ``secret``."""

    def __init__(self) -> None:
        self.paths: dict[str, Path] = {}
        self.calls: Counter[str] = Counter()
        self._order = threading.Lock()
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                status, found = standin.answer(self.command, self.path, body, self.headers.get("X-Vault-Token"))
                text = b"" if found is None else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_unused: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def writes(self) -> int:
        return sum(count for call, count in self.calls.items() if call != "GET")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, body: dict[str, Any], token: str | None) -> Answer:
        parts = urlsplit(target)
        where = unquote(parts.path).removeprefix("/v1/")
        if where == "auth/approle/login":
            good = (body.get("role_id"), body.get("secret_id")) == ROLE
            return (
                (200, {"auth": {"client_token": TOKEN}}) if good else (400, {"errors": ["invalid role or secret ID"]})
            )
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        mount, _unused, rest = where.partition("/")
        kind, _unused, name = rest.partition("/")
        if mount != "secret" or not name:
            return 404, {"errors": ["no handler for route"]}
        with self._order:
            self.calls[method] += 1
            if kind == "data":
                version = int(parse_qs(parts.query).get("version", ["0"])[0])
                return self._read(name, version) if method == "GET" else self._write(name, body)
            return self._metadata(method, name, body)

    def _read(self, name: str, version: int) -> Answer:
        path = self.paths.get(name, Path())
        found = path.versions.get(version or path.current)
        if found is None:
            return 404, {"errors": []}
        metadata = {"created_time": _text(found[0]), "version": version or path.current}
        return 200, {"data": {"data": found[1], "metadata": metadata}}

    def _write(self, name: str, body: dict[str, Any]) -> Answer:
        path = self.paths.get(name, Path())
        cas = body.get("options", {}).get("cas")
        if cas is None:
            return 400, {"errors": ["check-and-set parameter required for this call"]}
        if cas != path.current:
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        path.current += 1
        path.versions[path.current] = (datetime.now(timezone.utc), body["data"])
        for old in sorted(path.versions)[: -(path.most or 10)]:
            del path.versions[old]
        self.paths[name] = path
        return 200, {"data": {"version": path.current, "created_time": _text(path.versions[path.current][0])}}

    def _metadata(self, method: str, name: str, body: dict[str, Any]) -> Answer:
        if method == "DELETE":
            self.paths.pop(name, None)
            return 204, None
        if method == "POST":
            custom = body.get("custom_metadata")
            if custom is not None and any(len(key) > 128 or len(text) > 512 for key, text in custom.items()):
                return 400, {"errors": ["custom_metadata is too large"]}
            path = self.paths.setdefault(name, Path())
            path.custom = path.custom if custom is None else custom
            path.most = body.get("max_versions", path.most)
            return 204, None
        path = self.paths.get(name, Path())
        if name not in self.paths:
            return 404, {"errors": []}
        about = {
            str(number): {"created_time": _text(made - path.age), "deletion_time": "", "destroyed": False}
            for number, (made, _unused) in path.versions.items()
        }
        return 200, {
            "data": {
                "current_version": path.current,
                "max_versions": path.most,
                "custom_metadata": path.custom or None,
                "versions": about,
            }
        }


def _text(moment: datetime) -> str:
    """With nanoseconds, as Vault writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
