# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine through its SDK (python3-docker 5.0.3 and later)."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from .._core.errors import OpsError
from .registry import Login, login_for
from .runtime import Binding, Container, Image
from .signals import hears

try:
    import docker
    from docker.errors import APIError, DockerException, ImageNotFound, NotFound

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False

LABEL = "com.docker.compose."
DEFAULT_GRACE = 10.0
HTTP_SECONDS = 120
GONE = (404, 409)
ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class DockerEngine:
    """Engine through the SDK."""

    def __init__(self, logins: Sequence[Login] = ()) -> None:
        self._logins = logins
        if not HAS_DOCKER:
            raise OpsError("the Docker SDK for Python cannot be loaded on this host (package python3-docker)")
        with _translated("cannot reach the Docker Engine; is docker running on this host?"):
            self._client = docker.from_env(timeout=HTTP_SECONDS, version="auto")

    def containers(self, project: str) -> tuple[Container, ...]:
        labels = [f"{LABEL}project={project}", f"{LABEL}oneoff=False"]
        with _translated("cannot list the containers"):
            found = self._client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        return tuple(sorted((read_container(c.attrs) for c in found), key=lambda c: (c.service, c.number)))

    def container(self, container_id: str) -> Container | None:
        with _translated("cannot inspect a container"):
            try:
                return read_container(self._client.api.inspect_container(container_id))
            except NotFound:
                return None

    def image(self, reference: str) -> Image | None:
        with _translated(f"cannot inspect image {reference}"):
            try:
                attrs = self._client.api.inspect_image(reference)
            except ImageNotFound:
                return None
        return Image(attrs["Id"], tuple(sorted(attrs.get("RepoDigests") or ())))

    def pull(self, reference: str) -> Image:
        repository, tag = split_reference(reference)
        login = login_for(self._logins, reference)
        # Without a login of ours the SDK takes what docker login has left for this user.
        given = None if login is None else {"username": login.username, "password": login.password}
        with _translated(f"cannot pull image {reference}"):
            self._client.images.pull(repository, tag=tag, auth_config=given)
        image = self.image(reference)
        if image is None:
            raise OpsError(f"image {reference} was pulled but is not there")
        return image

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        with _translated(f"cannot tag image {image_id}"):
            self._client.api.tag(image_id, repository, tag)

    def untag(self, reference: str) -> None:
        with _translated(f"cannot remove tag {reference}"):
            try:
                self._client.api.remove_image(reference)
            except APIError as error:
                if error.status_code not in GONE:
                    raise

    def hears_stop(self, container: Container) -> bool:
        return hears(container.pid, container.stop_signal)

    def stop_all(self, timeouts: Mapping[str, float]) -> None:
        if not timeouts:
            return
        with ThreadPoolExecutor(max_workers=len(timeouts)) as together:
            ended = [together.submit(self._stop, *one) for one in timeouts.items()]
        for one in ended:
            one.result()

    def _stop(self, container_id: str, timeout: float) -> None:
        time.sleep(timeout % 1)  # the Engine counts whole seconds
        with _translated("cannot stop a container"), contextlib.suppress(NotFound):
            self._client.api.stop(container_id, timeout=int(timeout))
        self.remove(container_id)

    def remove(self, container_id: str) -> None:
        with _translated("cannot remove a container"):
            try:
                self._client.api.remove_container(container_id, force=True)
            except APIError as error:
                if error.status_code not in GONE:
                    raise

    def begin_health_test(self, container_id: str) -> str | None:
        with _translated("cannot run a health check"):
            try:
                argv = health_command(self._client.api.inspect_container(container_id)["Config"])
                if argv is None:
                    return None
                test = str(self._client.api.exec_create(container_id, argv, stdout=False, stderr=False)["Id"])
                self._client.api.exec_start(test, detach=True)
            except APIError:  # it has gone or ended meanwhile, or has no such program
                return None
        return test

    def health_test(self, test: str) -> bool | None:
        with _translated("cannot inspect a health check"):
            try:
                found = self._client.api.exec_inspect(test)
            except APIError:
                return False
        return None if found["Running"] else found["ExitCode"] == 0

    def diagnose(self, container_id: str, lines: int) -> dict[str, object]:
        with _translated("cannot inspect a container"):
            try:
                attrs = self._client.api.inspect_container(container_id)
                log = self._client.api.logs(container_id, tail=lines, timestamps=True)
            except APIError as error:
                if error.status_code in (404, 409, 501):
                    return {}
                raise
        state = attrs["State"]
        health = state.get("Health") or {}
        return {
            "container": attrs["Name"].lstrip("/"),
            "image": attrs["Config"].get("Image"),
            "state": state.get("Status"),
            "exit_code": state.get("ExitCode"),
            "oom_killed": bool(state.get("OOMKilled")),
            "error": state.get("Error") or "",
            "restarts": attrs.get("RestartCount", 0),
            "health": health.get("Status"),
            "health_log": [
                {"exit_code": entry.get("ExitCode"), "output": (entry.get("Output") or "").strip()}
                for entry in (health.get("Log") or [])[-3:]
            ],
            "log": log.decode(errors="replace").splitlines(),
        }


def health_command(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What Docker runs to see whether a container is healthy, from ``Config`` of its inspect document."""
    kind, *arguments = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if kind == "CMD-SHELL":
        return (*(config.get("Shell") or ("/bin/sh", "-c")), *arguments)
    return tuple(arguments) if kind == "CMD" else None


def read_container(attrs: dict[str, Any]) -> Container:
    """A container from the Engine's inspect document."""
    labels = attrs["Config"].get("Labels") or {}
    state = attrs["State"]
    health = (state.get("Health") or {}).get("Status")
    networks = (attrs.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=attrs["Id"],
        name=attrs["Name"].lstrip("/"),
        service=labels.get(f"{LABEL}service", ""),
        number=int(labels.get(f"{LABEL}container-number") or 0),
        config_hash=labels.get(f"{LABEL}config-hash", ""),
        image_id=attrs["Image"],
        status=state["Status"],
        health=None if health in (None, "", "none") else health,
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=int(attrs.get("RestartCount") or 0),
        restart_policy=(attrs["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no",
        created=timestamp(attrs["Created"]),
        started=timestamp(state.get("StartedAt") or ""),
        stop_timeout=attrs["Config"].get("StopTimeout"),
        stop_signal=attrs["Config"].get("StopSignal") or "SIGTERM",
        pid=int(state.get("Pid") or 0),
        anonymous_volumes=any(
            mount.get("Type") == "volume" and ANONYMOUS.fullmatch(mount.get("Name") or "")
            for mount in attrs.get("Mounts") or ()
        ),
        address=next((net["IPAddress"] for net in networks.values() if net.get("IPAddress")), ""),
        bindings=tuple(_bindings((attrs.get("NetworkSettings") or {}).get("Ports") or {})),
    )


def _bindings(ports: Mapping[str, Any]) -> Iterator[Binding]:
    """TCP only, those of IPv4 first: with a range, Docker may choose another port for IPv6."""
    for name, given in ports.items():
        port, _unused, protocol = name.partition("/")
        if protocol == "tcp":
            for one in sorted(given or (), key=lambda entry: ":" in entry.get("HostIp", "")):
                yield Binding(int(port), one.get("HostIp", ""), int(one["HostPort"]))


def split_reference(reference: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image reference, as the SDK wants them."""
    if "@" in reference:
        repository, _unused, digest = reference.partition("@")
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, "latest"
    return repository, tag


def timestamp(text: str) -> float:
    """Seconds since the epoch of the Engine's RFC 3339 text with nanoseconds; 0 for its zero time."""
    if not text or text.startswith("0001"):
        return 0.0
    whole, _unused, fraction = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    digits = "".join(c for c in fraction[:9] if c.isdigit())
    return moment.timestamp() + (int(digits) / 10 ** len(digits) if digits else 0.0)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except DockerException as error:
        explanation = getattr(error, "explanation", None) or str(error)
        raise OpsError(f"{what}: {explanation}") from None
    except OSError as error:
        raise OpsError(f"{what}: {type(error).__name__}") from None
