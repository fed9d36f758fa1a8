# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provisioned lab must show, asked from outside as its users would."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .seed import BUCKET, ROOTS_FILE, s3_client
from .topology import DOMAIN, LocalPorts

SITE = f"shop.{DOMAIN}"
APPLICATION_JOB = "shop"
REPLICAS = 4
PATIENCE_SECONDS = 90.0


class CheckError(Exception):
    """The lab does not show what it must; the message says what it showed instead."""


@dataclass(frozen=True, slots=True)
class Check:
    """``probe`` answers what it saw or raises CheckError or OSError."""

    title: str
    probe: Callable[[], str]


def checks(hosts: Sequence[str], ports: LocalPorts, state: Path, secrets: Mapping[str, str]) -> list[Check]:
    """The checks that make sense for the hosts that run."""
    has = set(hosts)
    found = []
    if "edge1" in has:
        found.append(Check("HTTPS with a certificate of the lab's ACME server", lambda: certificate(ports, state)))
    if {"edge1", "db1"} <= has and has & {"app1", "app2"}:
        found.append(Check("application healthy through the edge", lambda: application(ports, state)))
    if "db1" in has:
        found.append(Check("backup in S3", lambda: backup(ports, secrets)))
    if "mon1" in has:
        found.append(Check("Prometheus targets up", lambda: targets(ports)))
    return found


def wait(check: Check, seconds: float = PATIENCE_SECONDS) -> str:
    """Ask until the check passes or ``seconds`` are over. Raises CheckError with its last reason."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check.probe()
        except (CheckError, OSError, http.client.HTTPException) as error:
            if time.monotonic() >= deadline:
                raise CheckError(f"{check.title}: {error}") from None
        time.sleep(1)


def https_get(ports: LocalPorts, state: Path, path: str) -> tuple[int, bytes, dict[str, str]]:
    """A GET of the shop through the edge: status, body, headers; the certificate is verified for the site's name."""
    context = ssl.create_default_context(cafile=str(state / ROOTS_FILE))
    connection = http.client.HTTPSConnection(SITE, context=context, timeout=15)
    plain = socket.create_connection(("127.0.0.1", ports.https), timeout=15)
    connection.sock = context.wrap_socket(plain, server_hostname=SITE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def certificate(ports: LocalPorts, state: Path) -> str:
    context = ssl.create_default_context(cafile=str(state / ROOTS_FILE))
    with (
        socket.create_connection(("127.0.0.1", ports.https), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=SITE) as secured,
    ):
        return f"{secured.version()}, {SITE}"


def application(ports: LocalPorts, state: Path) -> str:
    status, body, _ = https_get(ports, state, "/health")
    if status != http.client.OK:
        raise CheckError(f"/health answers {status}: {body[:200]!r}")
    health = json.loads(body)
    if health.get("status") != "healthy":
        raise CheckError(f"/health says {health}")
    return f"services {', '.join(sorted(health['services']))} are healthy"


def backup(ports: LocalPorts, secrets: Mapping[str, str]) -> str:
    listed = s3_client(ports, secrets).list_objects_v2(Bucket=BUCKET)
    manifests = [item["Key"] for item in listed.get("Contents", []) if item["Key"].endswith("manifest.json")]
    if not manifests:
        raise CheckError(f"no manifest in bucket {BUCKET}")
    return f"{len(manifests)} restore point(s) in {BUCKET}"


def targets(ports: LocalPorts) -> str:
    """Every target is up; of the application's port ranges, as many as there are replicas."""
    url = f"http://127.0.0.1:{ports.prometheus}/api/v1/targets?state=active"
    with urllib.request.urlopen(url, timeout=10) as answer:
        active = json.load(answer)["data"]["activeTargets"]
    replicas = [target for target in active if target["scrapePool"] == APPLICATION_JOB]
    others = [target for target in active if target["scrapePool"] != APPLICATION_JOB]
    not_up = [f"{target['scrapeUrl']}: {target['lastError']}" for target in others if target["health"] != "up"]
    serving = sum(target["health"] == "up" for target in replicas)
    if not others or not_up:
        raise CheckError("; ".join(not_up) or "no targets")
    if replicas and serving < REPLICAS:
        raise CheckError(f"{serving} of {REPLICAS} replicas of the application are up")
    return f"{len(others)} exporters and {serving} replicas of the application"
