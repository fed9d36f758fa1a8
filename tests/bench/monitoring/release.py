# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of the node exporter as its project publishes them, made of a distribution's binary and served here."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.fleet import containers

BINARY = "/usr/bin/prometheus-node-exporter"


@dataclass(frozen=True)
class Release:
    """Where the archive and its checksums are."""

    version: str
    archive_url: str
    checksums_url: str


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve_release(folder: Path, fleet: str, host: str) -> Iterator[Release]:
    """Serve the binary that is installed on ``host``, from ``folder``, on 127.0.0.1."""
    container = containers(fleet)[host]
    said = container.exec_run([BINARY, "--version"]).output.decode()
    version = re.findall(r"version (\d+\.\d+\.\d+)", said)[0]
    binary = container.exec_run(["cat", BINARY]).output
    name = f"node_exporter-{version}.linux-amd64"
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo(f"{name}/node_exporter")
        entry.size, entry.mode = len(binary), 0o755
        tar.addfile(entry, io.BytesIO(binary))
    sums = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    (folder / "sha256sums.txt").write_text(sums, encoding="utf-8")
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield Release(version, f"{address}/{archive.name}", f"{address}/sha256sums.txt")
        finally:
            server.shutdown()
