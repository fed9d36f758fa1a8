# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, sockets and commands of this machine."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import error_of, wait


@pytest.fixture
def greeter() -> Iterator[int]:
    """A port that greets like a mail server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _client = listener.accept()
                except OSError:
                    return
                connection.sendall(b"220 mail ESMTP\r\n")
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_port_and_what_it_says_first(greeter: int) -> None:
    assert wait({"tcp": {"port": greeter}}).ok
    assert wait({"tcp": {"port": greeter, "greeting": "^220 .*ESMTP"}}).ok
    error = error_of({"tcp": {"port": greeter, "greeting": "^SSH-2"}})
    assert error == "greets with '220 mail ESMTP', which does not match ^SSH-2"


def test_a_closed_port_is_said_and_the_check_is_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        report = wait({"name": "ssh", "tcp": {"port": port}}, timeout=0.5)
    assert report.message.splitlines()[1].startswith(f"- ssh (tcp 127.0.0.1:{port}): connection refused [")


def test_a_unix_socket_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as listener:

        def listen() -> None:
            listener.bind(str(path))
            listener.listen()

        threading.Timer(0.4, listen).start()
        report = wait({"unix": {"path": str(path)}})
    assert report.ok
    assert report.checks[0].timeline[0].words == "no such file or directory"


def test_http_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _client = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        assert wait({"http": {"url": "http://localhost/_ping", "address": str(path), "body_regex": "OK"}}).ok


def test_a_command_is_repeated_until_it_succeeds(tmp_path: Path) -> None:
    flag = tmp_path / "ready"
    threading.Timer(0.6, flag.touch).start()
    report = wait({"command": {"argv": ["ls", str(flag)]}})
    assert report.ok
    assert report.checks[0].timeline[0].words.startswith("exit code 2, expected 0: ls: cannot access")


def test_a_commands_code_and_output_are_judged() -> None:
    script = "import sys; print('lag 7'); sys.exit(3)"
    argv = [sys.executable, "-c", script]
    assert wait({"command": {"argv": argv, "rc": [0, 3], "stdout": r"lag \d\b"}}).ok
    assert error_of({"command": {"argv": argv}}) == "exit code 3, expected 0: lag 7"
    assert error_of({"command": {"argv": argv, "rc": [3], "stdout": "lag 0"}}) == (
        "prints 'lag 7', which does not match lag 0"
    )


def test_a_missing_program_is_said() -> None:
    assert "cannot be run" in error_of({"command": {"argv": ["/nonexistent/program"]}})


def test_a_command_that_hangs_is_stopped_and_no_attempt_overlaps_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"import os,time; open({str(log)!r},'a').write('start\\n'); time.sleep(600)"
    began = time.monotonic()
    report = wait({"command": {"argv": [sys.executable, "-c", script]}}, timeout=3, probe_timeout=1)
    assert not report.ok
    assert time.monotonic() - began < 15
    assert log.read_text().count("start") <= 4
    processes = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(str(log).encode() in line for line in processes)


def test_units_where_systemd_does_not_run_are_said_or_missing() -> None:
    error = error_of({"systemd": {"unit": "keelson-nonexistent"}}, timeout=5)
    assert "systemctl" in error or "keelson-nonexistent.service is" in error
