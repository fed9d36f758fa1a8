# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In front of the test server for Secrets Manager: refuses what Amazon refuses and the test server does not.

- The same token with another value: ResourceExistsException. The test server overwrites.
- A label is moved away only from the version that has it.
- The first version of a secret becomes AWSCURRENT whatever labels it is given.
- Versions of a secret that does not exist: ResourceNotFoundException. The test server answers with a fault of its own.
- A version is stored with labels that are named; RotateSecret is never called. Both would be mistakes of ours.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WRITES = {"CreateSecret", "PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret", "RotateSecret"}
DAY = 86400.0


class AwsShim:
    """A proxy on a port of its own; counts calls, and can make versions look older than they are."""

    def __init__(self, upstream: str) -> None:
        self.calls: Counter[str] = Counter()
        self.aged: dict[str, float] = {}
        self._upstream = upstream
        self._order = threading.Lock()
        shim = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = self.headers["X-Amz-Target"].rpartition(".")[2]
                try:
                    status, answer = shim.answer(call, body, dict(self.headers))
                except (OSError, http.client.HTTPException):  # it is still starting
                    status, answer = 503, b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_unused: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def writes(self) -> int:
        return sum(count for call, count in self.calls.items() if call in WRITES)

    def age(self, version: str, days: float) -> None:
        """Let a version look so many days older."""
        self.aged[version] = days * DAY

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, call: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        given = json.loads(body)
        # Writes one after the other, so that what is looked at here is what they meet.
        with self._order:
            self.calls[call] += 1
            refusal = self._refusal(call, given, headers)
            if refusal:
                return 400, json.dumps({"__type": refusal, "message": f"{call} refused"}).encode()
            status, answer = self._pass(call, given, headers)
        if call == "ListSecretVersionIds" and status == 200:
            for version in answer["Versions"]:
                version["CreatedDate"] -= self.aged.get(version["VersionId"], 0.0)
        return status, json.dumps(answer).encode()

    def _refusal(self, call: str, given: dict[str, Any], headers: dict[str, str]) -> str | None:
        if call == "RotateSecret":
            return "InvalidRequestException"
        if call == "ListSecretVersionIds" and self._is_missing(given["SecretId"], headers):
            return "ResourceNotFoundException"
        if call == "PutSecretValue":
            return self._put(given, headers)
        if call == "UpdateSecretVersionStage":
            stages = self._stages(given["SecretId"], headers)
            holder = next((v for v, labels in stages.items() if given["VersionStage"] in labels), None)
            if given.get("RemoveFromVersionId") != holder:
                return "InvalidParameterException"
            if given["VersionStage"] == "AWSCURRENT" and "MoveToVersionId" not in given:
                return "InvalidParameterException"
        return None

    def _put(self, given: dict[str, Any], headers: dict[str, str]) -> str | None:
        if not given.get("VersionStages"):
            return "InvalidParameterException"
        known = {"SecretId": given["SecretId"], "VersionId": given["ClientRequestToken"]}
        status, before = self._pass("GetSecretValue", known, headers)
        if status == 200 and before["SecretString"] != given["SecretString"]:
            return "ResourceExistsException"
        if not any("AWSCURRENT" in labels for labels in self._stages(given["SecretId"], headers).values()):
            given["VersionStages"] = [*given["VersionStages"], "AWSCURRENT"]
        return None

    def _is_missing(self, secret: str, headers: dict[str, str]) -> bool:
        return self._pass("DescribeSecret", {"SecretId": secret}, headers)[0] != 200

    def _stages(self, secret: str, headers: dict[str, str]) -> dict[str, list[str]]:
        _unused, found = self._pass("DescribeSecret", {"SecretId": secret}, headers)
        return dict(found.get("VersionIdsToStages", {}))

    def _pass(self, call: str, given: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        kept = {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length", "x-amz-target")}
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.request("POST", "/", json.dumps(given), {**kept, "X-Amz-Target": f"secretsmanager.{call}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()
