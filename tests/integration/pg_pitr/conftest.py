# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL as a service of a Compose project archives to a repository, and the host command that recovers it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.outcomes import ROOT

IMAGE = "keelson-lab/postgres:latest"
PASSPHRASE = "CANARY-cipher-passphrase"
CONFIGURATION = f"""
[data]
pg1-path=/var/lib/postgresql/data
pg1-user=postgres
pg1-socket-path=/var/run/postgresql
repo1-path=/var/lib/pgbackrest
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={PASSPHRASE}
repo1-retention-full=2
start-fast=y
compress-type=zst
log-level-file=off
log-level-console=warn
"""
COMMAND = f"""
import sys
sys.path.insert(0, {str(ROOT / "collections")!r})
from ansible_collections.keelson.ops.plugins.module_utils._cli.main import main
sys.exit(main())
"""
SUDO = () if os.geteuid() == 0 else ("sudo", "-n")


def docker(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Service:
    """The service; everything of it begins with ``name``."""

    name: str
    folder: Path

    @property
    def container(self) -> str:
        return f"{self.name}-postgres-1"

    @property
    def volumes(self) -> list[str]:
        """The volumes with data."""
        return sorted(v for v in docker("volume", "ls", "-q").split() if v.startswith(f"{self.name}_postgres"))

    def up(self) -> None:
        """Start it as Compose would; an empty volume becomes a new cluster."""
        labels = {"project": self.name, "service": "postgres", "oneoff": "False"}
        docker(
            *("run", "-d", "--name", self.container),
            *(f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()),
            *("-e", "POSTGRES_PASSWORD=some-password", "--tmpfs", "/tmp", "--read-only"),
            *("--tmpfs", "/run/postgresql:mode=0775,uid=70,gid=70"),
            *("-v", f"{self.name}_postgres:/var/lib/postgresql/data"),
            *("-v", f"{self.name}_configuration:/etc/pgbackrest:ro"),
            *("-v", f"{self.name}_repository:/var/lib/pgbackrest"),
            *(IMAGE, "postgres", "--archive_mode=on", "--fsync=off"),
            "--archive_command=pgbackrest --stanza=data archive-push %p",
        )
        deadline = time.monotonic() + 240
        while self.try_sql("SELECT 1") != "1":
            assert time.monotonic() < deadline, docker("logs", self.container)
            time.sleep(0.2)

    def down(self) -> None:
        """Remove container and data, as if the host was lost. The repository stays."""
        docker("rm", "-f", self.container)
        for volume in self.volumes:
            docker("volume", "rm", volume)

    def try_sql(self, text: str) -> str | None:
        command = ["docker", "exec", "-i", self.container, "psql", "-XqAt", "-h", "127.0.0.1", "-U", "postgres"]
        environment = ["-e", "PGPASSWORD=some-password"]
        command[2:2] = environment
        done = subprocess.run(
            [*command, "-v", "ON_ERROR_STOP=1"], input=text, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def sql(self, text: str) -> str:
        answer = self.try_sql(text)
        assert answer is not None, text
        return answer

    def keelson(self, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The host command, which needs root for Docker's volumes."""
        folder = config or self.folder / "etc"
        command = [*SUDO, sys.executable, "-c", COMMAND, "pitr", *arguments, "--config-dir", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def result(self, *arguments: str) -> dict[str, object]:
        """What the command answers; it has to succeed."""
        done = self.keelson(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        assert PASSPHRASE not in done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    subprocess.run([sys.executable, "-m", "lab", "images", "postgres"], check=True, cwd=ROOT, capture_output=True)
    folder = tmp_path_factory.mktemp("pitr")
    found = Service(f"pitr-{secrets.token_hex(4)}", folder)
    (folder / "etc").mkdir()
    settings = {
        "compose_project": found.name,
        "compose_service": "postgres",
        "assertions": [{"sql": "SELECT count(*) > 0 FROM orders"}],
        "state_dir": str(folder / "state"),
        "metrics_dir": str(folder / "metrics"),
        "audit_log": str(folder / "audit.jsonl"),
    }
    (folder / "etc" / "data.json").write_text(json.dumps(settings), encoding="utf-8")
    volumes = ["-v", f"{found.name}_configuration:/c", "-v", f"{found.name}_repository:/r"]
    store = "cat > /c/pgbackrest.conf && chmod 600 /c/pgbackrest.conf && chown 70:70 /c/pgbackrest.conf /r"
    try:
        run = ["run", "--rm", "-i", "--user=0", "--entrypoint=sh", *volumes, IMAGE, "-c", store]
        docker(*run, stdin=CONFIGURATION)
        found.up()
        found.sql("CREATE TABLE orders (id text); INSERT INTO orders VALUES ('first')")
        yield found
    finally:
        found.down()
        docker("volume", "rm", f"{found.name}_configuration", f"{found.name}_repository")
        subprocess.run([*SUDO, "rm", "-rf", str(folder / "state")], check=False)
