# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host with a real Engine, reached by Ansible over SSH as in production."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TOOLS = Path(sys.executable).parent
FLEET = "it-rollout"
MACHINE = "roll"
APPLICATION = Path(__file__).parent / "application" / "server.py"
MODULES = "/opt/modules"
KILLED = f"""
cd {MODULES}
output=$(PYTHONPATH={MODULES} python3 killed.py {{line}} /opt/{{name}}/arguments.json)
echo "$?
$output"
"""
PREPARE = """
set -e
mkdir -p /etc/systemd/system/docker.service.d
printf "[Service]\\nEnvironment=DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1\\n" \\
  > /etc/systemd/system/docker.service.d/lab.conf
export DEBIAN_FRONTEND=noninteractive
command -v dockerd >/dev/null && python3 -c 'import docker' 2>/dev/null || {
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends docker.io docker-cli docker-compose python3-docker iptables iproute2 \
    >/dev/null
}
sysctl -q -w net.ipv4.tcp_migrate_req=1
systemctl start docker
docker version --format ok >/dev/null
"""
# The images hold nothing but the application: Python comes from the host's own /usr, mounted read-only.
IMAGES = """
set -e
cd /opt/images && mkdir -p root/application root/proc root/tmp
for name in bin lib lib64 sbin; do ln -sfn usr/$name root/$name; done
cp server.py root/application/
for version in v1 v2 v3 bad crash; do
  echo $version > root/application/version
  tar -C root -c . | docker import -c 'ENV PATH=/usr/bin' -c 'CMD ["python3", "-u", "/application/server.py"]' - \
    application:$version >/dev/null
done
"""


@dataclass(frozen=True)
class Outcome:
    """What a module returned."""

    rc: int
    result: dict[str, Any]
    text: str

    @property
    def actions(self) -> dict[str, str]:
        return {plan["service"]: plan["action"] for plan in self.result["plan"]}


@dataclass(frozen=True)
class Host:
    """The machine under test."""

    address: str
    inventory: Path
    key: str
    master: Path

    def sh(self, script: str, *, check: bool = True) -> str:
        """Run a script as root and return what it printed."""
        done = subprocess.run(
            self._ssh("sudo", "bash", "-s"), input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def write(self, path: str, text: str) -> None:
        subprocess.run(
            self._ssh("sudo", "sh", "-c", f"'mkdir -p $(dirname {path}) && cat > {path}'"),
            input=text, text=True, check=True, capture_output=True,
        )  # fmt: skip

    def copy(self, directory: Path, path: str, *names: str) -> None:
        """Copy files and directories of ``directory`` into ``path``."""
        packed = subprocess.run(
            ["tar", "-C", str(directory), "--exclude", "__pycache__", "-cf", "-", *names],
            check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(
            self._ssh("sudo", "sh", "-c", f"'mkdir -p {path} && tar -C {path} --no-same-owner -xf -'"),
            input=packed.stdout, check=True, capture_output=True,
        )  # fmt: skip

    def module(self, name: str, *flags: str, **arguments: Any) -> Outcome:
        """Run one module of the collection through Ansible."""
        return self.wait(self.begin(name, *flags, **arguments))

    def begin(self, name: str, *flags: str, **arguments: Any) -> subprocess.Popen[str]:
        """Start a module through Ansible without waiting for it."""
        command = [str(TOOLS / "ansible"), MACHINE, "-i", str(self.inventory), "-m"]
        command.append(name if "." in name else f"keelson.ops.{name}")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        return subprocess.Popen(
            [*command, "-a", json.dumps(arguments), *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip

    @staticmethod
    def wait(process: subprocess.Popen[str]) -> Outcome:
        out, err = process.communicate(timeout=600)
        _, brace, rest = out.partition("=> {")
        try:
            result = json.JSONDecoder().raw_decode(brace[-1:] + rest)[0] if brace else {}
        except ValueError:
            result = {}
        return Outcome(process.returncode, result, out + err)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """One connection that all scripts share; without it each makes its own."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        program, *options = self._ssh()
        with subprocess.Popen([program, "-M", "-N", *options], **quiet) as connection:
            try:
                yield
            finally:
                connection.terminate()

    def _ssh(self, *command: str) -> list[str]:
        options = ["-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={self.inventory.parent}/known"]
        options += ["-o", f"ControlPath={self.master}"]
        return ["ssh", "-q", "-i", self.key, *options, f"ops@{self.address}", *command]


@dataclass(frozen=True)
class Project:
    """A Compose project on the host, with a state directory of its own."""

    host: Host
    name: str
    base: int

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(range(self.base, self.base + 4))

    @property
    def state(self) -> str:
        return f"/var/lib/keelson/releases/{self.name}"

    def compose(
        self,
        version: str = "v1",
        *,
        services: dict[str, Any] | None = None,
        secret_files: dict[str, Any] | None = None,
        **web: Any,
    ) -> None:
        """Write the Compose file: web with two replicas, and whatever else is asked for."""
        check = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"
        slow = "APP_BOOT" in (web.get("environment") or {})
        definition = {
            "image": f"application:{version}",
            "volumes": ["/usr:/usr:ro"],
            "environment": {"APP_TOKEN": "a-token-nobody-may-see"},
            "ports": [f"{self.ports[0]}-{self.ports[-1]}:8000"],
            "deploy": {"replicas": 2},
            "restart": "unless-stopped",
            "stop_grace_period": "20s",
            "healthcheck": {
                "test": ["CMD", "python3", "-c", check],
                "interval": "1s", "timeout": "5s", "start_period": "60s" if slow else "2s", "retries": 3,
            },
            **web,
        }  # fmt: skip
        wanted = {key: value for key, value in definition.items() if value is not None}
        document = {"services": {"web": wanted, **(services or {})}, "volumes": {"data": {}}}
        if secret_files:
            document["secrets"] = secret_files
        self.host.write(f"/opt/{self.name}/compose.yaml", yaml.safe_dump(document))

    def deploy(self, *flags: str, **arguments: Any) -> Outcome:
        return self.host.module("compose_rollout", *flags, project=self.name, **arguments)

    def containers(self, service: str = "web") -> list[dict[str, str]]:
        """The containers of a service, stopped ones too."""
        labels = [f"com.docker.compose.{key}" for key in (f"project={self.name}", f"service={service}")]
        filters = " ".join(f"--filter label={label}" for label in labels)
        lines = self.host.sh(f"docker ps -a --no-trunc --format '{{{{json .}}}}' {filters}").splitlines()
        return [json.loads(line) for line in lines]

    def killed_at(self, line: int, **arguments: Any) -> dict[str, Any] | None:
        """Deploy as ``modules`` allows, killed after that line of the journal; the result, None when it was killed."""
        self.host.write(f"/opt/{self.name}/arguments.json", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        code, text = self.host.sh(KILLED.format(line=line, name=self.name)).split("\n", 1)
        return None if int(code) == 128 + signal.SIGKILL else json.loads(text)

    def ids(self, service: str = "web") -> set[str]:
        return {container["ID"] for container in self.containers(service)}

    def kill(self) -> None:
        """Kill the module that is at work, as the kernel or a lost host would."""
        entry = json.loads(self.host.sh(f"tail -n 1 {self.state}/journal.jsonl"))
        self.host.sh(f"kill -KILL {entry['pid']}")

    def by_hand(self, command: str) -> str:
        return self.host.sh(f"cd /opt/{self.name} && docker compose {command} 2>&1")


@contextmanager
def bare_host(fleet: str) -> Iterator[Host]:
    """A fresh Debian 13 host with Docker and the images of the test application."""
    lab = [sys.executable, "-m", "lab", "fleet"]
    subprocess.run([*lab, "up", fleet, "--host", f"{MACHINE}=trixie"], cwd=ROOT, check=True)
    try:
        inventory = ROOT / ".cache" / "fleets" / fleet / "hosts.yml"
        known = json.loads(inventory.read_text(encoding="utf-8"))["all"]
        address, key = known["hosts"][MACHINE]["ansible_host"], known["vars"]["ansible_ssh_private_key_file"]
        with tempfile.TemporaryDirectory() as directory:
            machine = Host(address, inventory, key, Path(directory) / "ssh")
            with machine.connected():
                machine.sh(PREPARE)
                machine.write("/opt/images/server.py", APPLICATION.read_text(encoding="utf-8"))
                machine.sh(IMAGES)
                yield machine
    finally:
        if "KEELSON_KEEP_FLEET" not in os.environ:
            subprocess.run([*lab, "down", fleet], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The machine of all tests."""
    with bare_host(FLEET) as machine:
        yield machine


@contextmanager
def made(host: Host, name: str, base: int) -> Iterator[Project]:
    """A project with ports of its own; nothing of it is left."""
    yield Project(host, name, base)
    label = f"--filter label=com.docker.compose.project={name}"
    host.sh(
        f"docker ps -aq {label} | xargs -r docker rm -f >/dev/null; "
        f"docker volume ls -q {label} | xargs -r docker volume rm; "
        f"docker network ls -q {label} | xargs -r docker network rm; "
        f"rm -rf /opt/{name} /var/lib/keelson/releases/{name}"
    )


@pytest.fixture
def project(host: Host, request: pytest.FixtureRequest) -> Iterator[Project]:
    """An empty project."""
    number = request.session.items.index(request.node)
    with made(host, f"it{number}", 8000 + 10 * number) as empty:
        yield empty


@pytest.fixture(scope="session")
def modules(host: Host) -> None:
    """The modules on the host itself, with what a controller would send along."""
    core = Path(ansible.__file__).parent
    host.copy(core.parent, MODULES, "ansible/module_utils")
    host.write(f"{MODULES}/ansible/__init__.py", "")
    host.copy(ROOT, f"{MODULES}/ansible_collections/keelson/ops", "plugins/modules", "plugins/module_utils")
    host.copy(APPLICATION.parent, MODULES, "killed.py")


@pytest.fixture(scope="session")
def serving(host: Host) -> Iterator[Project]:
    """A project that serves v1, for tests of what must leave it as it is."""
    with made(host, "serving", 7900) as project:
        project.compose("v1")
        outcome = project.deploy(version="serving")
        assert outcome.rc == 0, outcome.text
        yield project


@pytest.fixture
def until() -> Callable[[Callable[[], bool], str], None]:
    """Wait for something to be so; fail in its words when it does not come."""

    def wait(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"after {seconds:g} s still not: {what}"
            time.sleep(0.2)

    return wait
