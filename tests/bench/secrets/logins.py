# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins while a PostgreSQL password is rotated and the application takes it up a second later, per strategy.

Run: PYTHONPATH=collections python -m tests.bench.secrets.logins. A loop logs in 20 times a second, always with what the
application has.
"""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import docker
import psycopg2
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotate import run_rotation
from ansible_collections.keelson.ops.plugins.module_utils._secrets.settings import settings_from

from lab.images import service_image

ROTATIONS = 5
PER_SECOND = 20
LATE_SECONDS = 1
ADMIN = "administrator-of-a-bench"


def main() -> int:
    with server() as host, tempfile.TemporaryDirectory() as folder:
        for strategy in ("alternating", "single"):
            measure(host, strategy, Path(folder) / strategy)
    load, machine = os.getloadavg()[0], f"{platform.node()}: {os.cpu_count()} cores"
    print(f"{machine}, load {load:.1f}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC")
    return 0


def measure(host: str, strategy: str, folder: Path) -> None:
    """Print what the loop saw during some rotations."""
    folder.mkdir()
    role = f"app_{strategy}"
    with psycopg2.connect(host=host, user="postgres", password=ADMIN) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
    value, name = folder / "store" / "value", folder / "store" / "name"
    target = {"type": "postgres", "strategy": strategy, "username": role, "login_host": host, "login_user": "postgres",
              "login_password": ADMIN}  # fmt: skip
    store = {"type": "file", "path": str(value), "attribute_keys": {"username": str(name)}}
    raw = {
        "secrets": [{"name": "db", "store": store, "target": target}],
        "apply": {"command": ["sh", "-c", script(name, value, folder)]},
        "overlap": "0s",
        "state_directory": str(folder / "state"),
        "audit_log": str(folder / "audit"),
        "metrics_directory": "",
    }
    options = settings_from("bench", raw).only([])
    run_rotation(options, check=False, tell=print)
    with logins(host, folder / "application") as seen:
        for _rotation in range(ROTATIONS):
            time.sleep(0.5)
            run_rotation({**options, "force": True}, check=False, tell=print)
        time.sleep(0.5)
    failed = [moment for moment, good in seen if not good]
    windows = [0.0]
    for before, after in itertools.pairwise(failed):
        windows[-1] += after - before if after - before < 0.5 else 0.0
        windows += [] if after - before < 0.5 else [0.0]
    print(
        f"{strategy:12} {ROTATIONS} rotations, used {LATE_SECONDS} s later: {len(failed)} of {len(seen)} logins failed"
        + (f", for {min(windows):.1f} to {max(windows):.1f} s each time" if failed else "")
    )


def script(name: Path, value: Path, folder: Path) -> str:
    """How the application takes up what the store holds, late."""
    new = folder / "new"
    return f"sleep {LATE_SECONDS}; (cat {name}; echo; cat {value}) > {new} && mv {new} {folder}/application"


@contextmanager
def logins(host: str, application: Path) -> Iterator[list[tuple[float, bool]]]:
    """Logs in at a steady pace while the block runs; when, and whether it went well."""
    seen: list[tuple[float, bool]] = []
    over = threading.Event()

    def loop() -> None:
        while not over.wait(1 / PER_SECOND):
            user, password = application.read_text(encoding="utf-8").splitlines()
            settings: dict[str, Any] = {"host": host, "user": user, "password": password, "dbname": "postgres"}
            try:
                psycopg2.connect(**settings).close()
            except psycopg2.OperationalError:
                seen.append((time.monotonic(), False))
            else:
                seen.append((time.monotonic(), True))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL server of its own."""
    engine = docker.from_env()
    environment = {"POSTGRES_PASSWORD": ADMIN}
    name = f"bench-logins-{os.getpid()}"
    container = engine.containers.run(service_image("postgres"), environment=environment, detach=True, name=name)
    try:
        container.reload()
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        host = str(network["IPAddress"])
        deadline = time.monotonic() + 120
        while True:
            try:
                psycopg2.connect(host=host, user="postgres", password=ADMIN, connect_timeout=5).close()
                break
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
        yield host
    finally:
        container.remove(force=True, v=True)
        engine.close()


if __name__ == "__main__":
    raise SystemExit(main())
