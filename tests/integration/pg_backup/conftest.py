# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL in a container, an S3 endpoint behind a proxy that can fail, and the one backed up in the other."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.keelson.ops.plugins.module_utils import _backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import Backup, Reporter, open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import parse_settings

from .fault_proxy import FaultProxy

PACKAGE = Path(str(_backup.__file__)).resolve().parents[1]
IMAGE = "keelson-lab/postgres:latest"
PASSWORD = "CANARY-database-Passw0rd"
SECRET_KEY = "CANARY-s3-secret-key"
BUCKET = "backups"
PACKAGES = {"psql": "postgresql-client", "zstd": "zstd", "docker": "docker.io", "age": "age", "gpg": "gpg"}
TABLES = """
CREATE ROLE shopkeeper LOGIN;
CREATE TABLE orders (id bigint PRIMARY KEY, note text, raw jsonb);
INSERT INTO orders SELECT g, md5(g::text), jsonb_build_object('n', g) FROM generate_series(1, {rows}) AS g;
CREATE TABLE "We""ird" (a int, t text);
INSERT INTO "We""ird" VALUES (1, 'x'), (2, NULL);
CREATE INDEX ON orders (note);
ALTER TABLE orders OWNER TO shopkeeper;
SELECT lo_from_bytea(0, 'large');
"""
# Nothing makes this smaller, so that a dump is long enough for things to go wrong half-way.
NOISE = """
CREATE EXTENSION pgcrypto;
CREATE TABLE noise AS SELECT g AS id, gen_random_bytes(1000) AS t FROM generate_series(1, 40000) AS g;
ALTER TABLE noise ADD PRIMARY KEY (id);
"""


@dataclass(frozen=True)
class Server:
    """PostgreSQL in a container, reachable over TCP on this machine too."""

    container: str
    port: int

    def sql(self, database: str, text: str) -> str:
        """Run statements as the superuser and return what they print."""
        command = ["docker", "exec", "-i", self.container, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        done = subprocess.run([*command, "-d", database], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def databases(self) -> set[str]:
        return set(self.sql("postgres", "SELECT datname FROM pg_database").split())


@dataclass(frozen=True)
class Bucket:
    """The S3 endpoint as it really is, behind the proxy."""

    client: Any
    proxy: FaultProxy

    def keys(self, prefix: str) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]

    def uploads(self, prefix: str) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [item["Key"] for item in found if item["Key"].startswith(prefix)]

    def flip_a_bit(self, key: str) -> None:
        data = bytearray(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        data[len(data) // 2] ^= 1
        self.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(data))


def until(condition: Callable[[], object], what: str, seconds: float = 240) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """What the operator's machine needs for these tests, from its distribution."""
    missing = sorted(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    if missing:
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    environment = ["-e", f"POSTGRES_PASSWORD={PASSWORD}", "-e", "POSTGRES_DB=shop"]
    command = [
        "docker",
        "run",
        "-d",
        "--rm",
        "-p",
        "127.0.0.1::5432",
        *environment,
        IMAGE,
        "postgres",
        "-c",
        "fsync=off",
    ]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        ready = ["docker", "exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]
        until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, "PostgreSQL is ready")
        address = subprocess.run(["docker", "port", container, "5432/tcp"], check=True, capture_output=True, text=True)
        found = Server(container, int(address.stdout.split()[0].rsplit(":", maxsplit=1)[-1]))
        found.sql("shop", TABLES.format(rows=20000))
        found.sql("postgres", "CREATE DATABASE noise")
        found.sql("noise", NOISE)
        yield found
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """``host:port`` of an S3 server of this session's own."""
    command = ["docker", "run", "-d", "--rm", "-p", "127.0.0.1::5000", "keelson-lab/s3:latest"]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        port = subprocess.run(["docker", "port", container, "5000/tcp"], check=True, capture_output=True, text=True)
        address = port.stdout.split()[0]

        def answers() -> bool:
            try:
                return bool(urllib.request.urlopen(f"http://{address}/", timeout=5).status == 200)
            except (OSError, http.client.HTTPException):
                return False

        until(answers, "the S3 server answers")
        yield address
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{endpoint}",
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key=SECRET_KEY,
    )
    client.create_bucket(Bucket=BUCKET)
    return Bucket(client, FaultProxy(endpoint))


@dataclass(frozen=True)
class Place:
    """Options of a backup that keeps everything below one folder and one prefix."""

    folder: Path
    prefix: str
    options: dict[str, Any]

    @property
    def directory(self) -> Path:
        return self.folder / "store"

    def open(self, reporter: Reporter | None = None, **changes: Any) -> Backup:
        return open_backup(parse_settings({**self.options, **changes}), reporter=reporter)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """The host command to its end, as the role installs it."""
        return subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, check=False)

    def command(self, *arguments: str) -> list[str]:
        folder = self.configure()
        return [sys.executable, "-m", "keelson._cli.main", "backup", *arguments, "--config-dir", str(folder)]

    def environment(self) -> dict[str, str]:
        code = self.folder / "code"
        code.mkdir(exist_ok=True)
        if not (code / "keelson").exists():
            (code / "keelson").symlink_to(PACKAGE)
        return {**os.environ, "PYTHONPATH": str(code)}

    def configure(self, **changes: Any) -> Path:
        """Write the options as the role does; the folder of the configuration."""
        folder = self.folder / "etc"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.options['name']}.json"
        path.touch(0o600)
        path.write_text(json.dumps({**self.options, **changes}), encoding="utf-8")
        return folder

    def of_command(self, *command: str, **changes: Any) -> dict[str, Any]:
        """The options, with a command as the source instead of the server."""
        kept = {key: value for key, value in self.options.items() if key not in ("databases", "container")}
        return {**kept, "source": "command", "command": list(command), **changes}

    def manifests(self) -> list[Path]:
        return sorted(self.directory.rglob("manifest.json"))

    def leftovers(self) -> list[str]:
        """Files of points without a manifest, and files under way."""
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        return [str(p) for p in files if not (p.parent / "manifest.json").exists() or p.name.endswith(".partial")]


@pytest.fixture
def place(server: Server, bucket: Bucket, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    prefix = request.node.name.replace("[", "-").replace("]", "")
    options = {
        "name": "test",
        "databases": ["shop"],
        "container": server.container,
        "state_dir": str(tmp_path / "state"),
        "metrics_dir": str(tmp_path / "metrics"),
        "audit_log": str(tmp_path / "audit.jsonl"),
        "destinations": [
            {"type": "directory", "path": str(tmp_path / "store")},
            {
                "type": "s3",
                "bucket": BUCKET,
                "prefix": prefix,
                "endpoint_url": bucket.proxy.url,
                "access_key": "AKIATEST",
                "secret_key": SECRET_KEY,
            },
        ],
    }
    return Place(tmp_path, prefix, options)
