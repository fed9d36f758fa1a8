# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in a container: its image's own programs are used, also for a restore into a volume beside the live one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .cluster import HBA, QUICK, Place, psql_arguments, server_options
from .settings import Settings

DEFAULT_DATA = "/var/lib/postgresql/data"
HBA_INSIDE = "/etc/keelson-pitr-hba.conf"


@dataclass(frozen=True, slots=True)
class Container:
    """What a one-off container has to have in common with the server's."""

    identity: str
    image: str
    running: bool
    data: str
    arguments: tuple[str, ...]
    mount: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]
    network: str
    hosts: tuple[str, ...]
    memory: int
    shared_memory: int


def parse_container(inspected: str) -> Container:
    """The container in the output of ``docker inspect``. Raises OpsError when its data is in no mount."""
    item = json.loads(inspected)[0]
    config, host = item["Config"], item["HostConfig"]
    env = dict(pair.split("=", 1) for pair in config.get("Env") or () if "=" in pair)
    data = env.get("PGDATA", DEFAULT_DATA)
    mounts = [m for m in item.get("Mounts") or () if m["Type"] in ("volume", "bind")]
    holding = [m for m in mounts if PurePosixPath(data).is_relative_to(m["Destination"])]
    if not holding:
        raise OpsError(f"{data} of container {item['Name'].lstrip('/')} is in no volume, so that it can't be exchanged")
    mount = max(holding, key=lambda m: len(m["Destination"]))
    command = config.get("Cmd") or ()
    networks = sorted((item.get("NetworkSettings") or {}).get("Networks") or ())
    return Container(
        identity=item["Id"],
        image=item["Image"],
        running=bool(item["State"]["Running"]),
        data=data,
        arguments=tuple(command[1:] if command and command[0] == "postgres" else ()),
        mount=mount,
        others=tuple(m for m in mounts if m is not mount),
        network=networks[0] if networks else host.get("NetworkMode") or "none",
        hosts=tuple(host.get("ExtraHosts") or ()),
        memory=int(host.get("Memory") or 0),
        shared_memory=int(host.get("ShmSize") or 0),
    )


class ContainerCluster:
    """Reads the container anew whenever it asks something of it, since a deployment may replace it."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        self.name = settings.name
        self.runner = runner
        self._settings = settings
        self._beside = f"keelson-pitr-{settings.name}"
        self._hba = settings.folder / "hba.conf"

    @property
    def live(self) -> Place:
        container = self._container()
        return Place(self._path(container, container.mount["Source"]), container.mount.get("Name"))

    def pgbackrest(self, *arguments: str, place: Place | None = None) -> Command:
        container = self._container()
        command = ("pgbackrest", f"--stanza={self.name}", *arguments)
        if place is None and container.running:
            return Command(("docker", "exec", "-u", self._user(container), container.identity, *command))
        return self._once(container, place or self.live, *command)

    def psql(self, database: str, *, beside: bool = False) -> Sequence[str]:
        given, container = self._settings, self._container()
        name, socket = (self._beside, "/tmp") if beside else (container.identity, given.login_unix_socket)  # noqa: S108
        arguments = psql_arguments(database, given.login_user, given.login_port, socket)
        return ("docker", "exec", "-u", self._user(container), name, *arguments)

    def control_data(self, place: Place) -> Command:
        container = self._container()
        return self._once(container, place, "pg_controldata", container.data)

    def running(self) -> bool:
        return self._container().running

    def start(self) -> None:
        self._docker("start", self._container().identity)

    def stop(self) -> None:
        seconds = self._settings.stop_timeout
        self._docker("stop", f"--time={seconds}", self._container().identity, timeout=seconds + QUICK)

    def make_place(self, purpose: str) -> Place:
        container = self._container()
        live = self.live
        if live.volume is None:
            place = Place(live.path.with_name(f"{live.path.name}.keelson-{purpose}"))
            place.path.mkdir(mode=0o700)
        else:
            volume = f"{live.volume}_keelson-{purpose}"
            self._docker("volume", "create", f"--label=keelson.pitr={self.name}", volume)
            source = self._docker("volume", "inspect", "--format={{.Mountpoint}}", volume)
            place = Place(self._path(container, source), volume)
            place.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = live.path.stat()
        os.chown(place.path, owner.st_uid, owner.st_gid)
        place.path.chmod(0o700)
        return place

    def remove_place(self, place: Place) -> None:
        if place.volume is not None:
            self._docker("volume", "rm", "--force", place.volume, timeout=3600)
            return
        with suppress(FileNotFoundError):
            shutil.rmtree(place.path)

    def start_beside(self, place: Place, *, archive: bool) -> None:
        self.stop_beside(place)
        container = self._container()
        self._hba.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._hba.write_text(HBA, encoding="utf-8")
        self._hba.chmod(0o644)
        options = server_options(data=container.data, socket="/tmp", hba=HBA_INSIDE, archive=archive)  # noqa: S108
        limits = [f"--memory={container.memory}"] if container.memory else []
        limits += [f"--shm-size={container.shared_memory}"] if container.shared_memory else []
        command = (
            *("docker", "run", "--detach", f"--name={self._beside}", "--no-healthcheck", *limits),
            f"--mount=type=bind,src={self._hba},dst={HBA_INSIDE},readonly",
            *self._shared(container, place),
            *("--entrypoint=postgres", container.image, *container.arguments, *options),
        )
        self.runner.run(Command(command), timeout=QUICK)

    def alive_beside(self, place: Place) -> bool:
        command = Command(("docker", "inspect", "--format={{.State.Running}}", self._beside))
        return self.runner.run(command, timeout=QUICK, check=False).stdout.strip() == "true"

    def log_beside(self, place: Place) -> str:
        done = self.runner.run(Command(("docker", "logs", "--tail=30", self._beside)), timeout=QUICK, check=False)
        return (done.stdout + done.stderr)[-2000:]

    def stop_beside(self, place: Place) -> None:
        if self.alive_beside(place):
            seconds = self._settings.stop_timeout
            self._docker("stop", f"--time={seconds}", self._beside, timeout=seconds + QUICK)
        self.runner.run(Command(("docker", "rm", "--force", self._beside)), timeout=QUICK, check=False)
        self._hba.unlink(missing_ok=True)

    def _container(self) -> Container:
        return parse_container(self._docker("inspect", "--type=container", self._identity()))

    def _identity(self) -> str:
        given = self._settings
        if given.container:
            return given.container
        labels = {"project": given.compose_project, "service": given.compose_service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        found = self._docker("ps", "--all", "--no-trunc", "--format={{.ID}}", *filters).split()
        if len(found) != 1:
            raise OpsError(
                f"Compose service {given.compose_service!r} of project {given.compose_project!r} has {len(found)} "
                "containers, 1 is needed (options compose_project, compose_service)"
            )
        return found[0]

    def _docker(self, *arguments: str, timeout: float = QUICK) -> str:
        return self.runner.run(Command(("docker", *arguments)), timeout=timeout).stdout.strip()

    def _path(self, container: Container, source: str) -> Path:
        return Path(source) / PurePosixPath(container.data).relative_to(container.mount["Destination"])

    def _user(self, container: Container) -> str:
        owner = self._path(container, container.mount["Source"]).stat()
        return f"{owner.st_uid}:{owner.st_gid}"

    def _once(self, container: Container, place: Place, program: str, *arguments: str) -> Command:
        shared = self._shared(container, place)
        return Command(("docker", "run", "--rm", *shared, f"--entrypoint={program}", container.image, *arguments))

    def _shared(self, container: Container, place: Place) -> list[str]:
        """Options that make another container see what the server's sees, with ``place`` where its data is."""
        if place.volume is None:
            data = f"type=bind,src={place.path},dst={container.data}"
        else:
            data = f"type=volume,src={place.volume},dst={container.mount['Destination']},volume-nocopy=true"
        mounts = [f"--mount={data}"]
        for mount in container.others:
            source = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
            access = "" if mount.get("RW", True) else ",readonly"
            mounts.append(f"--mount=type={mount['Type']},src={source},dst={mount['Destination']}{access}")
        return [
            f"--user={self._user(container)}",
            f"--network={container.network}",
            *(f"--add-host={host}" for host in container.hosts),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"),
            f"--env=PGDATA={container.data}",
            *mounts,
        ]
