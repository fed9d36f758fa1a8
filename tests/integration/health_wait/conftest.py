# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for health_wait: HTTP(S) in this process, Redis, PostgreSQL and others in containers."""

from __future__ import annotations

import io
import ssl
import subprocess
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._health.parse import parse_checks, parse_policy
from ansible_collections.keelson.ops.plugins.module_utils._health.probes import SystemProbes
from ansible_collections.keelson.ops.plugins.module_utils._health.report import WaitReport
from ansible_collections.keelson.ops.plugins.module_utils._health.waiter import wait_for
from docker.models.containers import Container

BASE_IMAGE = "keelson-lab/debian:trixie"
LABEL = "keelson.test.health_wait"


def wait(*entries: dict[str, Any], **policy: Any) -> WaitReport:
    """Wait for checks as the module does, on this machine."""
    settings = parse_policy({"timeout": 60, **policy}, len(entries))
    checks = parse_checks(entries, settings)
    clock = SystemClock()
    with SystemProbes(clock, SubprocessRunner()) as probes:
        return wait_for(checks, settings, clock, probes)


def error_of(*entries: dict[str, Any], timeout: float = 1.5, **policy: Any) -> str:
    """The last words of the one check that does not become healthy."""
    report = wait(*entries, timeout=timeout, **policy)
    assert not report.ok, report
    (failing,) = report.failing
    return failing.error


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class HttpServer:
    """What it was asked, and what it answers next; the last answer is repeated."""

    port: int
    answers: list[Answer]
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/health"

    def say(self, status: int, body: str = "", **headers: str) -> None:
        """Answer so from now on."""
        self.answers[:] = [(status, headers, body.encode())]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _answer(self) -> None:
        state: HttpServer = self.server.state
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state.requests.append((self.command, self.path, dict(self.headers), content))
        status, headers, body = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the names that the standard library calls

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def start_server() -> Iterator[Callable[..., HttpServer]]:
    """Starts HTTP servers on 127.0.0.1, with TLS when given a context."""
    running: list[ThreadingHTTPServer] = []

    def start(tls: ssl.SSLContext | None = None) -> HttpServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        state = HttpServer(server.server_address[1], [(200, {}, b"ok")])
        server.state = state  # type: ignore[attr-defined]
        server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
        running.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return state

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of its own, as files."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, days: int = 30) -> tuple[Path, Path]:
        """A certificate and key for ``name``."""
        key, request, certificate = (self.folder / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", str(key), "-out", str(request))  # fmt: skip
        openssl("x509", "-req", "-in", str(request), "-CA", str(self.ca_file), "-CAkey", str(self.folder / "ca.key"),
                "-days", str(days), "-extfile", str(extension), "-out", str(certificate))  # fmt: skip
        return certificate, key

    def context(self, name: str, days: int = 30) -> ssl.SSLContext:
        """A server's context with a new certificate for ``name``."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(name, days))
        return context


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    key, certificate = str(folder / "ca.key"), str(folder / "ca.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=keelson test CA", "-keyout", key, "-out", certificate)  # fmt: skip
    return Authority(folder)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        container.remove(force=True, v=True)
    client.close()


Start = Callable[..., Container]


def make_start(engine: docker.DockerClient, started: list[Container]) -> Start:
    def start(image: str, command: list[str] | None = None, **options: Any) -> Container:
        files = options.pop("files", {})
        name = f"health-{uuid.uuid4().hex[:8]}"
        labels = {LABEL: "1", **options.pop("labels", {})}
        container = engine.containers.create(image, command, name=name, labels=labels, init=True, **options)
        started.append(container)
        for path, content in files.items():
            container.put_archive(str(Path(path).parent), _archive(Path(path).name, content))
        container.start()
        container.reload()
        return container

    return start


def _archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(content), 0o644, int(time.time())
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def start(engine: docker.DockerClient) -> Iterator[Start]:
    """Starts containers that are gone after the test."""
    started: list[Container] = []
    yield make_start(engine, started)
    for container in started:
        container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def start_once(engine: docker.DockerClient) -> Iterator[Start]:
    """Starts containers that are gone after the last test of the file."""
    started: list[Container] = []
    yield make_start(engine, started)
    for container in started:
        container.remove(force=True, v=True)


def address(container: Container) -> str:
    """The container's address, reachable from this machine."""
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])
