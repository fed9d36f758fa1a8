# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of containers that behave as servers: created, found again, removed; never more than it made itself."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network

from .certificates import CERTIFICATE_FILE, KEY_FILE, ensure_server_certificate
from .engine import client
from .images import host_image, service_image
from .paths import SSH_KEY, fleet_state
from .progress import LabError, say, step
from .topology import DOMAIN, Fleet, Host, Published, Service

FLEET_LABEL = "keelson.lab.fleet"
SUBNETS = 200
READY_SECONDS = 120.0
ANSWER_SECONDS = 30.0
OPERATOR_UID = 1000
# Services that speak TLS: where below /etc their certificate and key are, and whose.
TLS_FILES = {"acme": ("pebble/tls", 0), "s3": ("s3/tls", 65534)}
LEGACY_CGROUP = "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


def up(fleet: Fleet) -> None:
    """Make what is missing of the fleet, start what is stopped, wait until every host can be logged into."""
    ensure_ssh_key()
    state = fleet_state(fleet.name)
    (state / "known_hosts").mkdir(parents=True, exist_ok=True)
    images = {host.name: host_image(host.release) for host in fleet.hosts}
    images |= {service.name: service_image(service.name) for service in fleet.services}
    prefix = _network(fleet)
    machines: list[Host | Service] = [*fleet.services, *fleet.hosts]
    missing = [machine for machine in machines if not _is_running(fleet.name, machine.name)]
    if missing:
        with step(f"starting {', '.join(machine.name for machine in missing)}"):
            for machine in missing:
                _start(fleet.name, machine, images[machine.name], f"{prefix}.{machine.number}")
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(lambda machine: _wait_ready(fleet.name, machine, prefix), missing))
    write_inventory(fleet, prefix)


def down(name: str) -> None:
    """Remove the fleet's containers, volumes, network and state; things of others stay."""
    label = {"label": f"{FLEET_LABEL}={name}"}
    engine = client()
    for container in engine.containers.list(all=True, filters=label):
        _close_sessions(container)
        container.remove(force=True, v=True)
    for volume in engine.volumes.list(filters=label):
        volume.remove(force=True)
    for network in engine.networks.list(filters=label):
        network.remove()
    subprocess.run(["rm", "-rf", str(fleet_state(name))], check=True)


def containers(name: str) -> dict[str, Container]:
    """The fleet's containers by machine name, running or not."""
    found = client().containers.list(all=True, filters={"label": f"{FLEET_LABEL}={name}"})
    return {container.name.removeprefix(f"keelson-{name}-"): container for container in found}


def local_port(fleet: str, machine: str, port: int) -> int:
    """The port of 127.0.0.1 where ``port`` of a machine is reachable. Raises LabError."""
    container = _find(fleet, machine)
    bindings = container.ports.get(f"{port}/tcp") if container is not None else None
    if not bindings:
        raise LabError(f"{machine} of fleet {fleet} does not publish port {port} here")
    return int(bindings[0]["HostPort"])


def push(fleet: str, image: str, repository: str, tag: str) -> None:
    """Push a local image to the fleet's registry as ``repository:tag``. Raises LabError."""
    target = f"127.0.0.1:{local_port(fleet, 'registry', 5000)}/{repository}"
    client().images.get(image).tag(target, tag)
    for line in client().images.push(target, tag, stream=True, decode=True):
        if "error" in line:
            raise LabError(f"pushing {image} to the fleet's registry failed: {line['error']}")


def ensure_ssh_key() -> None:
    """The key pair that opens every host of every fleet on this machine; made once, private."""
    if SSH_KEY.exists():
        return
    SSH_KEY.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "keelson lab", "-f", str(SSH_KEY)], check=True)


def write_inventory(fleet: Fleet, prefix: str) -> None:
    """The fleet as an inventory for any playbook: ``.cache/fleets/<name>/hosts.yml`` (JSON is YAML)."""
    state = fleet_state(fleet.name)
    known_hosts = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={state}/known_hosts/%h"
    variables = {
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(SSH_KEY),
        "ansible_ssh_common_args": known_hosts,
    }
    hosts = {
        host.name: {
            "ansible_host": f"{prefix}.{host.number}",
            "host_domains": [f"{host.name}.{DOMAIN}", *host.domains],
        }
        for host in fleet.hosts
    }
    text = json.dumps({"all": {"vars": {**variables, "fleet_state": str(state)}, "hosts": hosts}}, indent=2)
    (state / "hosts.yml").write_text(text + "\n", encoding="utf-8")


def _network(fleet: Fleet) -> str:
    """The first three numbers of the network's addresses; the network is made when it is missing."""
    name = f"keelson-{fleet.name}"
    try:
        network = client().networks.get(name)
    except NotFound:
        network = _create_network(fleet, name)
    subnet = str(network.attrs["IPAM"]["Config"][0]["Subnet"])
    return subnet.rsplit(".", 1)[0]


def _create_network(fleet: Fleet, name: str) -> Network:
    candidates = range(1, SUBNETS) if fleet.subnet is None else [fleet.subnet]
    for number in candidates:
        pool = docker.types.IPAMPool(subnet=f"10.77.{number}.0/24", gateway=f"10.77.{number}.1")
        try:
            network = client().networks.create(
                name, ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={FLEET_LABEL: fleet.name}
            )
        except APIError as error:
            if "overlap" not in str(error.explanation):
                raise LabError(f"network {name} cannot be made: {error.explanation}") from None
            continue
        network.reload()
        return network
    raise LabError(f"network {name}: 10.77.{candidates[0]}.0/24 overlaps with another network of this machine")


def _find(fleet: str, machine: str) -> Container | None:
    try:
        return client().containers.get(f"keelson-{fleet}-{machine}")
    except NotFound:
        return None


def _is_running(fleet: str, machine: str) -> bool:
    container = _find(fleet, machine)
    return container is not None and container.status == "running"


def _start(fleet: str, machine: Host | Service, image: str, address: str) -> None:
    container = _find(fleet, machine.name)
    if container is not None and container.status == "created":
        container.remove(force=True, v=True)  # a start that was interrupted half way
        container = None
    if container is None:
        container = _create(fleet, machine, image, address)
    try:
        container.start()
    except APIError as error:
        hint = "; LAB_<NAME>_PORT moves it (see docs/lab.md)" if "port is already allocated" in str(error) else ""
        raise LabError(f"{machine.name} does not start: {error.explanation}{hint}") from None


def _create(fleet: str, machine: Host | Service, image: str, address: str) -> Container:
    api = client().api
    is_host = isinstance(machine, Host)
    volumes = _host_volumes(fleet, machine.name) if is_host else {}
    options: dict[str, Any] = _host_options() if is_host else {}
    environment = options.pop("environment", {})
    domains = machine.domains if isinstance(machine, Host) else ()
    endpoint = api.create_endpoint_config(
        ipv4_address=address, aliases=[machine.name, f"{machine.name}.{DOMAIN}", *domains]
    )
    created = api.create_container(
        image,
        name=f"keelson-{fleet}-{machine.name}",
        hostname=machine.name,
        environment=environment,
        ports=[published.container for published in machine.published],
        labels={FLEET_LABEL: fleet},
        networking_config=api.create_networking_config({f"keelson-{fleet}": endpoint}),
        host_config=api.create_host_config(
            binds=volumes,
            port_bindings=_port_bindings(machine.published),
            restart_policy={"Name": "unless-stopped"},
            **options,
        ),
    )
    container: Container = client().containers.get(created["Id"])
    if is_host:
        (fleet_state(fleet) / "known_hosts" / address).unlink(missing_ok=True)
        _copy(container, "/home/ops/.ssh", {"authorized_keys": SSH_KEY.with_suffix(".pub").read_bytes()}, OPERATOR_UID)
    elif machine.name in TLS_FILES:
        state = fleet_state(fleet)
        ensure_server_certificate(state, [f"{name}.{DOMAIN}" for name in TLS_FILES])
        folder, uid = TLS_FILES[machine.name]
        files = {f"{folder}/{name}": (state / name).read_bytes() for name in (CERTIFICATE_FILE, KEY_FILE)}
        _copy(container, "/etc", files, uid)
    return container


def _host_options() -> dict[str, Any]:
    """As much as systemd, nftables and a Docker Engine of its own need, short of a privileged container."""
    options: dict[str, Any] = {
        "cap_add": ["ALL"],
        "cap_drop": ["SYS_RESOURCE", "SYS_TIME"],  # SYS_TIME would set the clock of the machine that runs the lab
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
        "tmpfs": {"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108
    }
    if client().info().get("CgroupVersion") == "2":
        return options | {"cgroupns": "private", "environment": {"KEELSON_CGROUP": "2"}}
    return options | {"cgroupns": "host", "environment": {"SYSTEMD_PROC_CMDLINE": LEGACY_CGROUP}}


def _host_volumes(fleet: str, machine: str) -> dict[str, dict[str, str]]:
    binds = {}
    for name, target in (("docker", "/var/lib/docker"), ("containerd", "/var/lib/containerd")):
        volume = f"keelson-{fleet}-{machine}-{name}"
        client().volumes.create(volume, labels={FLEET_LABEL: fleet})
        binds[volume] = {"bind": target, "mode": "rw"}
    if client().info().get("CgroupVersion") != "2":
        binds["/sys/fs/cgroup"] = {"bind": "/sys/fs/cgroup", "mode": "rw"}
    return binds


def _port_bindings(published: tuple[Published, ...]) -> dict[int, tuple[str, int | None]]:
    return {port.container: ("127.0.0.1", port.local) for port in published}


def _copy(container: Container, directory: str, files: dict[str, bytes], uid: int) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, uid, uid
            tar.addfile(entry, io.BytesIO(content))
    container.put_archive(directory, archive.getvalue())


def _wait_ready(fleet: str, machine: Host | Service, prefix: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if _is_ready(fleet, machine, f"{prefix}.{machine.number}"):
            return
        time.sleep(0.3)
    raise LabError(
        f"{machine.name} was not ready within {READY_SECONDS:.0f} s; see `docker logs keelson-{fleet}-{machine.name}`"
    )


def _is_ready(fleet: str, machine: Host | Service, address: str) -> bool:
    container = _find(fleet, machine.name)
    if container is not None and container.status == "restarting":
        return False  # systemd gives up at boot when the machine is out of inotify instances, and comes back
    if container is None or container.status != "running":
        raise LabError(
            f"{machine.name} stopped right after its start; see `docker logs keelson-{fleet}-{machine.name}`"
        )
    if isinstance(machine, Service):
        return _answers(address, machine.port)
    command = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "StrictHostKeyChecking=accept-new"]
    command += ["-o", f"UserKnownHostsFile={fleet_state(fleet)}/known_hosts/{address}", "-i", str(SSH_KEY)]
    command += [f"ops@{address}", "systemctl is-system-running"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return False  # it took the connection and then said nothing, as a host under load does at its start
    return done.stdout.strip() in {"running", "degraded"}


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _close_sessions(container: Container) -> None:
    """End SSH sessions with a proper close, so that no multiplexed client waits for a host that is gone."""
    if container.status == "running" and container.attrs["Config"]["Image"].startswith("keelson-lab/host"):
        try:
            container.exec_run(["pkill", "-KILL", "sshd"])
        except APIError as error:
            say(f"   {container.name}: {error.explanation}")
