#!/usr/bin/python3
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files that Grafana reads, and answers a few requests of its API with what they say."""

from __future__ import annotations

import base64
import configparser
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ETC = Path("/etc/grafana")


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((ETC / "grafana.ini").read_text(encoding="utf-8"))
    return parser


def expanded(value: str) -> str:
    found = re.fullmatch(r"\$__file\{(.*)\}", value)
    return Path(found[1]).read_text(encoding="utf-8").rstrip("\n") if found else value


def provisioned(kind: str) -> list[dict[str, Any]]:
    files = sorted((ETC / "provisioning" / kind).glob("*.yml"))
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    key = "providers" if kind == "dashboards" else kind
    return [entry for document in documents for entry in document[key]]


def dashboards() -> list[dict[str, Any]]:
    paths = [Path(provider["options"]["path"]) for provider in provisioned("dashboards")]
    return [json.loads(file.read_text(encoding="utf-8")) for path in paths for file in sorted(path.glob("*.json"))]


CONFIGURATION = settings()
USER = CONFIGURATION["security"]["admin_user"]
PASSWORD = expanded(CONFIGURATION["security"]["admin_password"])


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/api/health":
            self.answer(200, {"database": "ok"})
        elif self.headers.get("Authorization") != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            self.answer(401, {"message": "Invalid username or password"})
        elif self.path == "/api/datasources":
            self.answer(200, provisioned("datasources"))
        elif self.path == "/api/search":
            self.answer(200, [{key: found[key] for key in ("uid", "title", "tags")} for found in dashboards()])
        else:
            chosen = [found for found in dashboards() if self.path == f"/api/dashboards/uid/{found['uid']}"]
            self.answer(200 if chosen else 404, {"dashboard": chosen[0]} if chosen else {})

    def answer(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = CONFIGURATION["server"]
ThreadingHTTPServer((server["http_addr"], int(server["http_port"])), Api).serve_forever()
