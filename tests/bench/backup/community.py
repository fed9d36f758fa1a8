# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""postgresql_db of community.postgresql, run beside the server: the module without what Ansible takes to get there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import ansible

PLACE = "/opt/bench"
TARGET = "/tmp/community.sql.gz"
COPY = "community"


def mounts(checkout: Path) -> list[str]:
    """Options of "docker run" that show the container the module and what it imports."""
    collection = f"{PLACE}/ansible_collections/community/postgresql"
    return [
        *("-v", f"{Path(ansible.__file__).parent.resolve()}:{PLACE}/ansible:ro"),
        *("-v", f"{checkout.resolve()}:{collection}:ro"),
    ]


def install(container: str) -> None:
    """Give the container what the module runs with. Raises CalledProcessError."""
    script = "apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-psycopg2 >/dev/null 2>&1"
    subprocess.run(["docker", "exec", "-u", "root", container, "sh", "-c", script], check=True)


def dump(container: str) -> None:
    """The database as its documentation dumps one: SQL, compressed since the target ends so. Raises SystemExit."""
    _module(container, name="bench", state="dump", target=TARGET)


def restore(container: str) -> None:
    """What was dumped in a database of its own, which is dropped again. Raises SystemExit, also when rows miss."""
    _module(container, name=COPY, state="present")
    _module(container, name=COPY, state="restore", target=TARGET)
    if _rows(container, COPY) != _rows(container, "bench"):
        raise SystemExit("postgresql_db did not restore all rows, and reported success")
    _module(container, name=COPY, state="absent")


def _rows(container: str, database: str) -> str:
    question = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM documents)"
    command = ["docker", "exec", container, "psql", "-U", "postgres", "-XqAt", "-c", question, database]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _module(container: str, **options: Any) -> None:
    given = {"login_user": "postgres", "login_unix_socket": "/var/run/postgresql", **options}
    program = f"{PLACE}/ansible_collections/community/postgresql/plugins/modules/postgresql_db.py"
    command = ["docker", "exec", "-i", "-e", f"PYTHONPATH={PLACE}", "-e", "PYTHONDONTWRITEBYTECODE=1", container]
    done = subprocess.run(
        [*command, "python3", program],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"postgresql_db {options}: {done.stdout}{done.stderr}")
