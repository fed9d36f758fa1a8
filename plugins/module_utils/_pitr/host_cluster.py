# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of Debian's packages, run by ``postgresql@VERSION-CLUSTER.service``."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .cluster import HBA, QUICK, Place, psql_arguments, server_options
from .settings import Settings

PROGRAMS = "/usr/lib/postgresql/{}/bin"


class HostCluster:
    """Everything that touches the data runs as the cluster's own user."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        self.name = settings.name
        self.runner = runner
        self._settings = settings
        self._bin = PROGRAMS.format(settings.version)
        self._unit = f"postgresql@{settings.version}-{settings.cluster}.service"
        self._config = f"/etc/postgresql/{settings.version}/{settings.cluster}/postgresql.conf"
        # Sockets, access rules and log of the server beside the live one; only its user gets in.
        self._work = settings.folder / "beside"

    @property
    def live(self) -> Place:
        return Place(Path(f"/var/lib/postgresql/{self._settings.version}/{self._settings.cluster}"))

    def pgbackrest(self, *arguments: str, place: Place | None = None) -> Command:
        path = () if place is None else (f"--pg1-path={place.path}",)
        return self._command("pgbackrest", f"--stanza={self.name}", *path, *arguments)

    def psql(self, database: str, *, beside: bool = False) -> Sequence[str]:
        given = self._settings
        socket = str(self._work) if beside else given.login_unix_socket
        return (*self._become, *psql_arguments(database, given.login_user, given.login_port, socket))

    def control_data(self, place: Place) -> Command:
        return self._command(f"{self._bin}/pg_controldata", str(place.path))

    def running(self) -> bool:
        done = self.runner.run(Command(("systemctl", "is-active", self._unit)), timeout=QUICK, check=False)
        return done.stdout.strip() in ("active", "reloading")

    def start(self) -> None:
        self.runner.run(Command(("systemctl", "start", self._unit)), timeout=self._settings.stop_timeout)

    def stop(self) -> None:
        self.runner.run(Command(("systemctl", "stop", self._unit)), timeout=self._settings.stop_timeout)

    def make_place(self, purpose: str) -> Place:
        live = self.live.path
        path = live.with_name(f"{live.name}.keelson-{purpose}")
        path.mkdir(mode=0o700)
        shutil.chown(path, self._settings.run_as, self._settings.run_as)
        return Place(path)

    def remove_place(self, place: Place) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(place.path)

    def start_beside(self, place: Place, *, archive: bool) -> None:
        self.stop_beside(place)
        self._work.parent.mkdir(parents=True, exist_ok=True)
        # Whatever the umask of a service is: the server's user passes through here.
        self._work.parent.chmod(0o755)
        self._work.mkdir(mode=0o700)
        hba = self._work / "hba.conf"
        hba.write_text(HBA, encoding="utf-8")
        for path in (self._work, hba):
            shutil.chown(path, self._settings.run_as, self._settings.run_as)
        options = server_options(data=str(place.path), socket=str(self._work), hba=str(hba), archive=archive)
        own = ["-c", f"config_file={self._config}", "-p", str(self._settings.login_port), *options]
        arguments = ("--no-wait", "--silent", f"--log={self._work}/server.log", f"--options={shlex.join(own)}")
        command = self._command(f"{self._bin}/pg_ctl", "start", f"--pgdata={place.path}", *arguments)
        self.runner.run(command, timeout=QUICK)

    def alive_beside(self, place: Place) -> bool:
        command = self._command(f"{self._bin}/pg_ctl", "status", f"--pgdata={place.path}")
        return self.runner.run(command, timeout=QUICK, check=False).rc == 0

    def log_beside(self, place: Place) -> str:
        try:
            return (self._work / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        except OSError:
            return ""

    def stop_beside(self, place: Place) -> None:
        if place.path.exists() and self.alive_beside(place):
            command = self._command(f"{self._bin}/pg_ctl", "stop", f"--pgdata={place.path}", "--mode=fast", "--silent")
            timeout = self._settings.stop_timeout
            self.runner.run(Command((*command.argv, f"--timeout={timeout}"), cwd="/"), timeout=timeout + QUICK)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._work)

    @property
    def _become(self) -> tuple[str, ...]:
        user = self._settings.run_as
        return ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--")

    def _command(self, *arguments: str) -> Command:
        return Command((*self._become, *arguments), cwd="/")


def check_installed(settings: Settings) -> None:
    """Raise OpsError when the cluster isn't one of this host."""
    cluster = f"/etc/postgresql/{settings.version}/{settings.cluster}"
    if not Path(cluster).is_dir():
        raise OpsError(f"there is no cluster {cluster} (options version and cluster)")
