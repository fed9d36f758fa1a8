# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a cluster runs: what the engine asks of a host or of a container."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .._core.command import Command, Runner
from .plan import Live

QUICK = 120.0
"""Seconds for a command that answers at once."""
LONG = 24 * 3600.0
"""Seconds for a backup or a restore."""
HBA = "local all all trust\n"
"""Access rules of the server beside the live one, whose socket nobody else can reach."""

_PSQL = ("psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--set=ON_ERROR_STOP=1")
_CONTROL = {
    "system_id": r"^Database system identifier:\s+(\d+)",
    "timeline": r"^Latest checkpoint's TimeLineID:\s+(\d+)",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory: ``path`` on this host, and the volume that it is in when it is in one of its own."""

    path: Path
    volume: str | None = None


class Cluster(Protocol):
    """A cluster of a host or of a container, with its live data directory and others beside it."""

    name: str
    runner: Runner

    @property
    def live(self) -> Place:
        """Where the live server keeps its data."""

    def pgbackrest(self, *arguments: str, place: Place | None = None) -> Command:
        """pgBackRest where its configuration is; with ``place`` for that directory instead of the live one."""

    def psql(self, database: str, *, beside: bool = False) -> Sequence[str]:
        """The beginning of a psql command against the live server, or against the one beside it."""

    def control_data(self, place: Place) -> Command:
        """Prints the control file of a data directory."""

    def running(self) -> bool:
        """Whether the live server's service or container is up."""

    def start(self) -> None:
        """Start the live server."""

    def stop(self) -> None:
        """Stop the live server cleanly."""

    def make_place(self, purpose: str) -> Place:
        """An empty directory beside the live one, which a restore can go to."""

    def remove_place(self, place: Place) -> None:
        """Remove a directory that ``make_place`` made, with all that is in it."""

    def start_beside(self, place: Place, *, archive: bool) -> None:
        """Start a server of its own on ``place``, reachable through a private socket only; doesn't wait.

        ``archive`` is explained at ``server_options``.
        """

    def alive_beside(self, place: Place) -> bool:
        """Whether that server still runs."""

    def log_beside(self, place: Place) -> str:
        """The last lines it wrote."""

    def stop_beside(self, place: Place) -> None:
        """Stop it cleanly, if it runs, and remove what only it needed."""


def psql_arguments(database: str, user: str, port: int, socket: str) -> tuple[str, ...]:
    """psql with machine-readable answers and none of the user's own settings."""
    return (*_PSQL, f"--host={socket}", f"--port={port}", f"--username={user}", f"--dbname={database}")


def ask(cluster: Cluster, sql: str, *, database: str = "postgres", beside: bool = False, timeout: float = QUICK) -> str:
    """The answer to one statement. Raises CommandFailed."""
    command = Command((*cluster.psql(database, beside=beside), f"--command={sql}"), cwd="/")
    return cluster.runner.run(command, timeout=timeout).stdout.strip()


def observe(cluster: Cluster) -> Live:
    """The live cluster as it is now."""
    path = cluster.live.path
    done = cluster.runner.run(cluster.control_data(cluster.live), timeout=QUICK, check=False)
    found = {key: re.search(pattern, done.stdout, re.MULTILINE) for key, pattern in _CONTROL.items()}
    numbers = {key: int(match.group(1)) for key, match in found.items() if match and done.rc == 0}
    return Live(
        directory=str(path),
        running=cluster.running(),
        system_id=numbers.get("system_id"),
        timeline=numbers.get("timeline"),
        tablespaces=any((path / "pg_tblspc").glob("*")),
        is_mount=path.is_mount(),
    )


def free_space(path: Path) -> int:
    """Free bytes in the file system of ``path``."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def server_options(*, data: str, socket: str, hba: str, archive: bool) -> list[str]:
    """Settings of the server beside the live one, which must neither be seen from outside nor do anything there.

    With ``archive`` segments wait to be archived until the directory is switched to: a timeline that never goes live
    must not reach the repository, and that of one which does must (with archive_mode off it would never).
    """
    values = {
        "listen_addresses": "",
        "unix_socket_directories": socket,
        "hba_file": hba,
        "data_directory": data,
        "external_pid_file": "",
        "archive_mode": "on" if archive else "off",
        "archive_command": "false",
        "cluster_name": "keelson-pitr",
        "hot_standby": "on",
        "jit": "off",
        "log_destination": "stderr",
        "logging_collector": "off",
        "shared_buffers": "128MB",
        "ssl": "off",
        "synchronous_standby_names": "",
        # Jobs of a copy would do their work a second time.
        "cron.launch_active_jobs": "off",
    }
    return [item for key, value in values.items() for item in ("-c", f"{key}={value}")]
