# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy's administration endpoint, over TCP or a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .._core.errors import OpsError
from .caddy_address import host_and_port, socket_path

ANSWER_SECONDS = 60.0
CONFLICT = 412
CONFIG = "/config/"
GOROUTINES = "/debug/pprof/goroutine?debug=1"
CHECK = b"reverseproxy.(*Handler).doActiveHealthCheck"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration that Caddy runs with, and the mark that says whether it is still the same."""

    config: Any
    etag: str


class UnreachableError(OpsError):
    """Nobody answers at the endpoint."""


class Admin(Protocol):
    """Reads and replaces the configuration that Caddy runs with."""

    def load(self) -> Loaded:
        """The present configuration. Raises UnreachableError, or OpsError for an answer that makes no sense."""

    def replace(self, loaded: Loaded, config: Any) -> bool:
        """Put ``config`` in place of ``loaded``; False when somebody else has changed it meanwhile.

        Caddy goes on with the former one when it refuses the new one; OpsError says why.
        """

    def checking(self) -> bool:
        """Whether an active health check is under way now; False when that cannot be seen."""


class HttpAdmin:
    """Admin by HTTP; ``address`` is a URL, or ``unix//path`` as in a Caddyfile."""

    def __init__(self, address: str) -> None:
        self._address = address

    def load(self) -> Loaded:
        """GET of the whole configuration."""
        status, etag, body = self._ask("GET", CONFIG)
        if status != http.client.OK:
            raise OpsError(f"proxy: admin {self._address}: {_reason(status, body)}")
        return Loaded(json.loads(body or b"null"), etag)

    def replace(self, loaded: Loaded, config: Any) -> bool:
        """POST of the whole configuration: one reload, however many handlers differ."""
        headers = {"Content-Type": "application/json", "If-Match": loaded.etag}
        status, _unused, body = self._ask("POST", CONFIG, json.dumps(config).encode(), headers)
        if status == CONFLICT:
            return False
        if status != http.client.OK:
            raise OpsError(f"proxy: admin {self._address}: Caddy refuses the new upstreams: {_reason(status, body)}")
        return True

    def checking(self) -> bool:
        """Caddy tells what each of its goroutines is doing."""
        return CHECK in self._ask("GET", GOROUTINES)[2]

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        connection = _connection(self._address)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.headers.get("Etag", ""), response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"proxy: admin {self._address}: Caddy does not answer ({error or type(error).__name__}); "
                "start it, or correct admin"
            ) from None
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


def _connection(address: str) -> http.client.HTTPConnection:
    path = socket_path(address)
    if path is not None:
        return _UnixConnection(path)
    host, port = host_and_port(address)
    return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"status {status}"
