# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every store and every target that secrets are rotated between: real servers, and one stand-in."""

from __future__ import annotations

import json
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import Store, Target
from ansible_collections.keelson.ops.plugins.module_utils._secrets.stores import open_store
from ansible_collections.keelson.ops.plugins.module_utils._secrets.targets import open_target
from docker.models.containers import Container

from .aws_shim import AwsShim
from .vault_standin import TOKEN, VaultStandin

LABEL = "keelson.test.secret_rotate"
ADMIN = "administrator-of-a-test"
COMMAND = """
import json, pathlib, sys
place, action = pathlib.Path(sys.argv[1]), sys.argv[2]
known = json.loads(place.read_text()) if place.exists() else []
first, second = [*sys.stdin.read().splitlines(), ""][:2]
if action == "test":
    sys.exit(0 if first in known else 1)
place.write_text(json.dumps([first, *(v for v in known if v == second)] if action == "set" else [second]))
"""


def eventually(ask: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The answer of ``ask`` as soon as it raises nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., str]]:
    """Starts a container and returns its address."""
    engine = docker.from_env()
    started: list[Container] = []

    def run(image: str, command: list[str] | None = None, **options: Any) -> str:
        name = f"secrets-{uuid.uuid4().hex[:8]}"
        container = engine.containers.run(image, command, name=name, labels={LABEL: "1"}, detach=True, **options)
        started.append(container)
        container.reload()
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    run.started = started  # type: ignore[attr-defined]
    yield run
    for container in started:
        container.remove(force=True, v=True)
    engine.close()


@pytest.fixture(scope="session")
def aws(start: Callable[..., str]) -> Iterator[AwsShim]:
    shim = AwsShim(f"{start('keelson-lab/s3')}:5000")
    store = {"type": "aws", "secret": "none", **aws_access(shim)}
    eventually(open_store(store, "store", SystemClock()).inspect)
    yield shim
    shim.close()


@pytest.fixture(scope="session")
def vault() -> Iterator[VaultStandin]:
    standin = VaultStandin()
    yield standin
    standin.close()


@dataclass(frozen=True)
class Postgres:
    """A server that logs every statement."""

    host: str
    container: Container

    def admin(self) -> dict[str, Any]:
        return {"login_host": self.host, "login_user": "postgres", "login_password": ADMIN}

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        import psycopg2  # noqa: PLC0415

        connection = psycopg2.connect(host=self.host, user="postgres", password=ADMIN, dbname="postgres")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def log(self) -> str:
        return str(self.container.logs().decode(errors="replace"))


@pytest.fixture(scope="session")
def pg(start: Callable[..., str]) -> Postgres:
    settings = ["fsync=off", "log_statement=all", "log_min_duration_statement=0", "log_connections=on"]
    command = ["postgres", *(part for setting in settings for part in ("-c", setting))]
    host = start("keelson-lab/postgres", command, environment={"POSTGRES_PASSWORD": ADMIN})
    server = Postgres(host, start.started[-1])  # type: ignore[attr-defined]
    eventually(lambda: server.rows("SELECT 1"))
    return server


@pytest.fixture(scope="session")
def redis_host(start: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("redis")
    folder.chmod(0o777)
    acl = folder / "users.acl"
    acl.write_text(f"user default off\nuser admin on >{ADMIN} ~* &* +@all\n", encoding="utf-8")
    acl.chmod(0o666)
    command = ["redis-server", "/etc/redis/base.conf", "--aclfile", "/acl/users.acl"]
    host = start("keelson-lab/redis", command, volumes={str(folder): {"bind": "/acl", "mode": "rw"}})
    eventually(lambda: socket.create_connection((host, 6379), timeout=5).close())
    return host


def aws_access(shim: AwsShim) -> dict[str, Any]:
    return {"endpoint_url": shim.url, "region": "eu-central-1", "access_key": "AKIATEST", "secret_key": "of-a-test"}


@dataclass(frozen=True)
class Secret:
    """One secret of a test, and the run that rotates it."""

    params: dict[str, Any]

    @property
    def entry(self) -> dict[str, Any]:
        found: dict[str, Any] = self.params["secrets"][0]
        return found

    def store(self) -> Store:
        return open_store(self.entry["store"], "store", SystemClock())

    def target(self) -> Target:
        return open_target(self.entry["target"], self.entry["policy"], "secrets[0]", SystemClock(), SubprocessRunner())

    def current(self) -> Credential:
        """What a consumer would get."""
        store = self.store()
        held = store.inspect()
        assert held.current
        return store.reveal(held.current)

    def assert_settled(self, *retired: Credential) -> Credential:
        """Only the label current is left, that secret works, and no earlier one does."""
        held = self.store().inspect()
        assert held.current
        assert (held.pending, held.previous) == (None, None)
        current, target = self.current(), self.target()
        assert target.works(current)
        if self.entry["target"]["type"] != "none":
            assert [old for old in retired if old.value != current.value and target.works(old)] == []
        return current


def make_secret(folder: Path, store: dict[str, Any], target: dict[str, Any], **changes: Any) -> Secret:
    """A secret whose journal and metrics are below ``folder``."""
    entry = {
        "name": "app",
        "store": store,
        "target": target,
        "policy": None,
        "initial": None,
        "initial_attributes": None,
        "max_age": None,
        "overlap": None,
    }
    defaults = {
        "state": "rotated",
        "secrets": [entry],
        "store": None,
        "max_age": "90d",
        "overlap": "0s",
        "force": False,
        "apply": None,
        "test_timeout": 30,
        "rejections": 5,
        "lock_timeout": 60,
        "state_directory": str(folder / "state"),
        "audit_log": str(folder / "audit.jsonl"),
        "metrics_directory": str(folder / "metrics"),
    }
    return Secret({**defaults, **changes})


@pytest.fixture
def store_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Options of a store that holds nothing yet."""

    def make(kind: str) -> dict[str, Any]:
        name, keys = f"app-{uuid.uuid4().hex[:8]}", {"username": "username"}
        if kind == "aws":
            access = aws_access(request.getfixturevalue("aws"))
            return {"type": "aws", "secret": name, "key": "password", "attribute_keys": keys, **access}
        if kind == "vault":
            url = request.getfixturevalue("vault").url
            return {
                "type": "vault",
                "secret": f"apps/{name}",
                "attribute_keys": keys,
                "endpoint_url": url,
                "token": TOKEN,
            }
        if kind == "env_file":
            path = tmp_path / "app.env"
            path.write_text("# of the application\nPORT=80\n", encoding="utf-8")
            keys = {"username": "DB_USER"}
            return {"type": "env_file", "path": str(path), "key": "DB_PASSWORD", "attribute_keys": keys}
        keys = {"username": str(tmp_path / "secrets" / "user")}
        return {"type": "file", "path": str(tmp_path / "secrets" / "password"), "attribute_keys": keys}

    return make


@pytest.fixture
def target_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Options of a target, of a user that no other test has."""

    def make(kind: str) -> dict[str, Any]:
        name = f"app_{uuid.uuid4().hex[:8]}"
        if kind in ("alternating", "single"):
            server = request.getfixturevalue("pg")
            server.rows(f"CREATE ROLE {name} {'LOGIN' if kind == 'single' else 'NOLOGIN'}")
            return {"type": "postgres", "username": name, "strategy": kind, **server.admin()}
        if kind == "redis":
            host = request.getfixturevalue("redis_host")
            login = {"login_host": host, "login_user": "admin", "login_password": ADMIN}
            return {"type": "redis", "username": name, "rules": ["~*", "+@all"], **login}
        if kind == "jwt":
            jwks = str(tmp_path / "jwks.json")
            return {"type": "jwt", "algorithm": "EdDSA", "jwks_file": jwks, "cache_seconds": 0}
        if kind == "command":
            program = tmp_path / "door.py"
            program.write_text(COMMAND, encoding="utf-8")
            run = [sys.executable, str(program), str(tmp_path / "door.json")]
            return {"type": "command", "overlaps": True, **{name: [*run, name] for name in ("set", "test", "revoke")}}
        return {"type": "none"}

    return make


def accepted_by_command(folder: Path) -> list[str]:
    """What the program of the target ``command`` accepts."""
    found: list[str] = json.loads((folder / "door.json").read_text(encoding="utf-8"))
    return found
