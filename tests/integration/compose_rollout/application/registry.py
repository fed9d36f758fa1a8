# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry with one image, made of a directory, for one user: ``registry.py PORT USER PASSWORD DIRECTORY``."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, USER, PASSWORD, DIRECTORY = sys.argv[1:]
WANTED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
DOCKER = "application/vnd.docker."
BLOBS: dict[str, bytes] = {}


def blob(data: bytes) -> dict[str, object]:
    """Keep some bytes and describe them."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    BLOBS[digest] = data
    return {"digest": digest, "size": len(data)}


def manifest() -> bytes:
    """An image of one layer."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(DIRECTORY, arcname=".")
    layer = blob(plain.getvalue())
    command = {"Env": ["PATH=/usr/bin"], "Cmd": ["python3", "-u", "/application/server.py"]}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = blob(json.dumps({"architecture": machine, "os": "linux", "config": command, "rootfs": rootfs}).encode())
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{DOCKER}distribution.manifest.v2+json",
            "config": {"mediaType": f"{DOCKER}container.image.v1+json", **config},
            "layers": [{"mediaType": f"{DOCKER}image.rootfs.diff.tar", **layer}],
        }
    ).encode()


MANIFEST = manifest()


class Handler(BaseHTTPRequestHandler):
    """Answers pulls of whoever has logged in."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != WANTED:
            self._answer(401, b"{}", "application/json", ("WWW-Authenticate", 'Basic realm="test"'))
        elif "/manifests/" in self.path:
            digest = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
            kind = f"{DOCKER}distribution.manifest.v2+json"
            self._answer(200, MANIFEST, kind, ("Docker-Content-Digest", digest))
        else:
            data = BLOBS.get(self.path.rpartition("/")[2], b"{}")
            self._answer(200, data, "application/octet-stream")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler).serve_forever()
