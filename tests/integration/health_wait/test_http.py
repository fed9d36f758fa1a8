# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP and HTTPS over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Authority, HttpServer, error_of, wait

StartServer = Callable[..., HttpServer]
SECRET = "correct-horse-battery-staple"
NAME = "shop.keelson.test"


@pytest.fixture
def server(start_server: StartServer) -> HttpServer:
    return start_server()


def test_waits_until_the_application_says_that_all_its_services_are_healthy(server: HttpServer) -> None:
    starting = (503, {"Content-Type": "application/json"}, b'{"services": {"database": "starting"}}')
    degraded = (200, {}, b'{"services": {"database": "healthy", "redis": "down"}}')
    healthy = (200, {}, b'{"services": {"database": "healthy", "redis": "healthy"}}')
    server.answers[:] = [starting, starting, degraded, healthy]
    report = wait({"name": "app", "http": {"url": server.url, "json": ["services.* == healthy"]}})
    assert report.ok
    (check,) = report.checks
    assert [(event.words, event.attempts) for event in check.timeline] == [
        ('HTTP 503, expected 200: {"services": {"database": "starting"}}', 2),
        ('services.redis is "down", expected == healthy', 1),
        ("HTTP 200", 1),
    ]


def test_waits_for_a_server_that_is_not_there_yet(start_server: StartServer) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        ended: list[float] = []

        def serve_when_asked() -> None:
            reserved.listen()
            connection, _client = reserved.accept()
            ended.append(time.monotonic())
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
            connection.close()

        threading.Timer(0.5, serve_when_asked).start()
        report = wait({"http": {"url": f"http://127.0.0.1:{port}/", "body_regex": "^hello$"}})
    assert report.ok
    assert report.checks[0].timeline[0].words == "connection refused"
    assert report.checks[0].attempts > 2


def test_the_request_is_as_asked_for(server: HttpServer) -> None:
    entry = {
        "url": f"http://127.0.0.1:{server.port}/a%20b?x=ü&y=1",
        "method": "post",
        "headers": {"X-Token": SECRET, "host": NAME},
        "username": "ops",
        "password": "pass",
        "body": '{"a": "ä"}',
    }
    assert wait({"http": entry}).ok
    method, path, headers, body = server.requests[0]
    assert (method, path, body.decode()) == ("POST", "/a%20b?x=%C3%BC&y=1", '{"a": "ä"}')
    assert headers["host"] == NAME
    assert "Host" not in headers
    assert headers["X-Token"] == SECRET
    assert headers["Authorization"] == "Basic b3BzOnBhc3M="


def test_a_secret_that_the_server_echoes_is_masked(server: HttpServer) -> None:
    server.say(403, f"no access with {SECRET}")
    error = error_of({"http": {"url": server.url, "headers": {"Authorization": f"Bearer {SECRET}"}}})
    assert error == "HTTP 403, expected 200: no access with ********"


def test_other_states_and_headers_can_be_healthy(server: HttpServer) -> None:
    server.say(404, Via="shop/2.0")
    assert wait({"http": {"url": server.url, "status": [200, 404], "method": "HEAD"}}).ok
    assert wait({"http": {"url": server.url, "status": [404], "response_headers": {"Via": "^shop"}}}).ok
    assert "header via is 'shop/2.0'" in error_of(
        {"http": {"url": server.url, "status": [404], "response_headers": {"via": "^caddy$"}}}
    )


def test_a_name_with_several_addresses_is_tried_at_each(server: HttpServer) -> None:
    assert wait({"http": {"url": f"http://localhost:{server.port}/"}}).ok


def test_a_name_that_does_not_exist_is_said(server: HttpServer) -> None:
    assert error_of({"http": {"url": "http://nobody.invalid/"}}, timeout=5).startswith("nobody.invalid: ")


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        report = wait({"http": {"url": url}}, timeout=1, probe_timeout=0.3)
    assert not report.ok
    assert report.checks[0].error == "no answer within 0.3 s"


def test_a_server_of_another_protocol_is_said(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _client = other.accept()
            connection.sendall(b"220 mail.example.com ESMTP\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        error = error_of({"http": {"url": f"http://127.0.0.1:{other.getsockname()[1]}/"}}, timeout=0.2)
    assert error in ("is no HTTP answer: '220 mail.example.com ESMTP'", "connection closed by the other side")


class TestHttps:
    @pytest.fixture
    def secure(self, start_server: StartServer, authority: Authority) -> HttpServer:
        return start_server(authority.context(NAME))

    def entry(self, server: HttpServer, **options: object) -> dict[str, object]:
        where = {"url": f"https://{NAME}:{server.port}/health", "address": "127.0.0.1"}
        return {"name": "https", "http": {**where, **options}}

    def test_a_trusted_name_is_healthy(self, secure: HttpServer, authority: Authority) -> None:
        secure.say(200, "x" * 200_000)
        assert wait(self.entry(secure, ca_file=str(authority.ca_file), body_regex="^x{200000}$")).ok

    def test_an_unknown_ca_is_said(self, secure: HttpServer) -> None:
        assert error_of(self.entry(secure)).startswith("certificate not accepted: unable to get local issuer")

    def test_an_unknown_ca_can_be_accepted(self, secure: HttpServer) -> None:
        assert wait(self.entry(secure, validate_certs=False)).ok

    def test_a_wrong_name_is_said(self, secure: HttpServer, authority: Authority) -> None:
        entry = {"http": {"url": f"https://127.0.0.1:{secure.port}/", "ca_file": str(authority.ca_file)}}
        assert "IP address mismatch" in error_of(entry)

    def test_plain_http_is_said(self, start_server: StartServer) -> None:
        assert error_of(self.entry(start_server(), validate_certs=False)).startswith(
            ("TLS failed", "connection closed")
        )

    def test_a_ca_file_may_appear_while_waiting(self, secure: HttpServer, authority: Authority, tmp_path: Path) -> None:
        late = tmp_path / "late.pem"
        timer = threading.Timer(0.5, lambda: late.write_bytes(authority.ca_file.read_bytes()))
        timer.start()
        report = wait(self.entry(secure, ca_file=str(late)))
        assert report.ok
        assert report.checks[0].timeline[0].words == f"CA file {late}: No such file or directory"

    def test_tls_days_and_name(self, secure: HttpServer, authority: Authority) -> None:
        where = {"host": "127.0.0.1", "port": secure.port, "ca_file": str(authority.ca_file)}
        report = wait({"tls": {**where, "server_name": NAME, "days_left": 14}})
        assert report.ok
        assert report.checks[0].timeline[0].words.startswith(f"certificate for {NAME} ends in 30.0 days (")
        assert ", at least 60 wanted" in error_of({"tls": {**where, "server_name": NAME, "days_left": 60}})
        assert "Hostname mismatch" in error_of({"tls": {**where, "server_name": "other.keelson.test"}})

    def test_an_expired_certificate_is_said(self, start_server: StartServer, authority: Authority) -> None:
        expired = start_server(authority.context("old.keelson.test", days=-1))
        where = {"host": "127.0.0.1", "port": expired.port, "ca_file": str(authority.ca_file)}
        error = error_of({"tls": {**where, "server_name": "old.keelson.test"}})
        assert error == "certificate not accepted: certificate has expired"


def test_a_hundred_endpoints_are_waited_for_at_once(start_server: StartServer) -> None:
    servers = [start_server() for _number in range(100)]
    for number, server in enumerate(servers):
        server.answers[:] = [(503, {}, b"")] * (1 + number % 4) + [(200, {}, b"")]
    report = wait(*({"http": {"url": server.url}} for server in servers), timeout=120)
    assert report.ok
    assert sum(check.attempts for check in report.checks) == 25 * (2 + 3 + 4 + 5)
