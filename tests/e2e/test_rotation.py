# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's secrets are rotated on both application hosts while its users are signed in and work."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from lab.checks import SITE
from lab.seed import ROOTS_FILE
from tests.e2e import operator as op

FILES = "/opt/shop/rotated"


pytestmark = pytest.mark.usefixtures("provisioned")


def ask(method: str, path: str, token: str = "", body: object = None) -> tuple[int, bytes]:
    """A request through the edge: status and body."""
    context = ssl.create_default_context(cafile=str(op.STATE / ROOTS_FILE))
    connection = http.client.HTTPSConnection(SITE, context=context, timeout=15)
    connection.sock = context.wrap_socket(
        socket.create_connection(("127.0.0.1", op.PORTS.https), 15), server_hostname=SITE
    )
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def sign_in() -> str:
    status, body = ask("POST", "/api/auth/login", body={"email": "demo@shop.example", "password": "demo-password"})
    assert status == 200, body
    return str(json.loads(body)["token"])


@dataclass
class Seen:
    """What the users saw."""

    total: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def users(first: str) -> Iterator[Seen]:
    """Someone who signed in before, and someone who signs in anew every second, both asking all the time."""
    seen, over = Seen(), threading.Event()

    def work() -> None:
        tokens, renewed = [first, first], time.monotonic()
        while not over.wait(0.1):
            try:
                if time.monotonic() - renewed > 1:
                    tokens[1], renewed = sign_in(), time.monotonic()
                for token in tokens:
                    seen.total += 1
                    status, body = ask("GET", "/api/me", token)
                    if status != 200:
                        seen.failed.append(f"{status}: {body[:200]!r}")
            except (OSError, AssertionError, http.client.HTTPException) as error:
                seen.failed.append(repr(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_rotation_under_load_fails_no_request() -> None:
    before = op.ssh("app1", f"sudo cat {FILES}/database_url")
    token = sign_in()
    with users(token) as seen:
        run = op.playbook("keelson.ops.rotate")
        assert run.rc == 0, run.tail
    assert seen.failed == []
    assert seen.total > 50
    after = {host: op.ssh(host, f"sudo cat {FILES}/database_url") for host in ("app1", "app2")}
    assert after["app1"] == after["app2"] != before
    assert ask("GET", "/api/me", token)[0] == 200, "who signed in before stays signed in"


def test_revoking_ends_the_old_secrets_and_nothing_else() -> None:
    new = sign_in()
    run = op.playbook("keelson.ops.rotate", "--extra-vars", "only_due=true revoke=true")
    assert run.rc == 0, run.tail
    checked = json.loads(op.ssh("app1", "sudo keelson secrets check --json"))
    assert {secret["phase"] for secret in checked["secrets"]} == {"revoked"}
    assert op.ssh("app2", f"sudo cat {FILES}/jwt_secret_previous") == ""
    assert ask("GET", "/api/me", new)[0] == 200
    assert op.get("/health")[0] == 200


def test_site_yml_finds_nothing_to_change_after_a_rotation() -> None:
    run = op.playbook("site.yml", "--tags", "deploy", "-v")
    assert run.rc == 0, run.tail
    assert not any(run.changed.values()), run.tail
