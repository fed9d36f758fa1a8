# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything as for taking backups, and what restores do to a server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Request

from tests.integration.pg_backup.conftest import (
    IMAGE,
    PASSWORD,
    Place,
    Server,
    bucket,
    endpoint,
    programs,
    server,
    until,
)

__all__ = ["bucket", "endpoint", "programs", "server"]


@pytest.fixture(autouse=True)
def tidy(server: Server) -> Iterator[None]:
    """Each test finds the shop as it was made, and leaves no database of its own."""
    before = server.databases()
    yield
    made = server.databases() - before
    back = [name for name in made if name.startswith("shop_before_")]
    if back:
        server.sql("postgres", "DROP DATABASE shop WITH (FORCE)")
        server.sql("postgres", f'ALTER DATABASE "{min(back)}" RENAME TO shop')
    for name in made:
        server.sql("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """Backups in a directory only: how other destinations are read is tested with those that write them."""
    return Place(tmp_path, "", options_of(server, tmp_path))


def options_of(server: Server, folder: Path) -> dict[str, Any]:
    return {
        "name": "test",
        "databases": ["shop"],
        "container": server.container,
        "state_dir": str(folder / "state"),
        "metrics_dir": str(folder / "metrics"),
        "audit_log": str(folder / "audit.jsonl"),
        "destinations": [{"type": "directory", "path": str(folder / "store")}],
    }


def take(place: Place, **changes: Any) -> str:
    """A new restore point of the shop; its id."""
    (taken,) = taking.take(place.open(**changes))
    assert taken.manifest is not None
    return taken.manifest.id


def restore(place: Place, reporter: Any = None, **request: Any) -> restoring.Restored:
    return restoring.restore(place.open(reporter), Request(**{"database": "shop", **request}))


@pytest.fixture(scope="session")
def other_server() -> Iterator[Server]:
    """A server that knows nothing of the shop."""
    command = ["docker", "run", "-d", "--rm", "-p", "127.0.0.1::5432", "-e", f"POSTGRES_PASSWORD={PASSWORD}", IMAGE]
    command += ["postgres", "-c", "max_prepared_transactions=2", "-c", "fsync=off"]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        ready = ["docker", "exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]
        until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, "PostgreSQL is ready")
        yield Server(container, 0)
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)
