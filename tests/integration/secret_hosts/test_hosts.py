# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``keelson secrets`` on two hosts of one application, as the playbook rotate runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lab.images import service_image
from tests.tools.outcomes import ROOT

KEYS = {"access_key": "AKIATEST", "secret_key": "of-a-test"}
PROGRAM = (
    "import sys; from ansible_collections.keelson.ops.plugins.module_utils._cli.main import main; sys.exit(main())"
)


@dataclass(frozen=True)
class Host:
    """A host's configuration and files, in a folder of this machine."""

    folder: Path

    def secrets(self, *arguments: str, rc: int = 0) -> dict[str, Any]:
        """Run ``keelson secrets`` there; its result."""
        command = [sys.executable, "-c", PROGRAM, "secrets", *arguments, "--json", "--config-dir", str(self.folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == rc, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def read(self, name: str) -> str:
        return (self.folder / "files" / name).read_text(encoding="utf-8")

    @property
    def accepted(self) -> set[str]:
        """The keys that the application on this host verifies tokens with."""
        return {self.read("jwt"), self.read("jwt_previous")} - {""}

    @property
    def uses(self) -> int:
        """How often the application was told."""
        told = self.folder / "told"
        return len(told.read_text(encoding="utf-8").splitlines()) if told.exists() else 0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    engine = docker.from_env()
    container = engine.containers.run(service_image("s3"), detach=True, name=f"secrets-{uuid.uuid4().hex[:8]}")
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    url = f"http://{network['IPAddress']}:5000"
    client = boto3.client("secretsmanager", endpoint_url=url, region_name="us-east-1",
                          aws_access_key_id="x", aws_secret_access_key="x")  # fmt: skip
    deadline = time.monotonic() + 60
    while True:
        try:
            client.list_secrets()
            break
        except (BotoCoreError, ClientError):
            assert time.monotonic() < deadline
            time.sleep(0.3)
    yield url
    container.remove(force=True, v=True)
    engine.close()


def made(folder: Path, endpoint: str, *, rotates: bool, **apply: Any) -> Host:
    name = f"{folder.parent.name}-{uuid.uuid5(uuid.NAMESPACE_URL, str(folder.parent))}"
    configuration = {
        "rotates": rotates,
        "store": {"type": "aws", "endpoint_url": endpoint, "region": "us-east-1", **KEYS},
        "secrets": [
            {"name": "jwt", "store": {"secret": f"{name}/jwt"}, "target": {"type": "jwt"}},
            {"name": "token", "store": {"secret": f"{name}/token"}},
        ],
        "deliver": [
            {"path": str(folder / "files" / "jwt"), "content": "${jwt}"},
            {"path": str(folder / "files" / "jwt_previous"), "content": "${jwt.other}"},
            {"path": str(folder / "files" / "shop.env"), "entries": {"TOKEN": "${token}"}},
        ],
        "apply": {"command": ["sh", "-c", f"echo told >> {folder}/told"], **apply},
        "state_directory": str(folder / "state"),
        "audit_log": str(folder / "audit"),
        "metrics_directory": str(folder / "metrics"),
    }
    folder.mkdir()
    (folder / "shop.json").touch(mode=0o600)
    (folder / "shop.json").write_text(json.dumps(configuration), encoding="utf-8")
    return Host(folder)


@pytest.fixture
def hosts(tmp_path: Path, endpoint: str) -> tuple[Host, Host]:
    first = made(tmp_path / "app1", endpoint, rotates=True)
    second = made(tmp_path / "app2", endpoint, rotates=False)
    for host in (first, second):
        assert host.secrets("create", "shop")["changed"]
        assert not host.secrets("create", "shop")["changed"]
    return first, second


def assert_every_token_is_accepted(hosts: tuple[Host, Host]) -> None:
    for signer in hosts:
        assert all(signer.read("jwt") in host.accepted for host in hosts)


def test_no_host_signs_what_another_refuses(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    old = first.read("jwt")
    assert second.read("jwt") == old
    steps = (
        (first, "rotate", "shop", "--force", "--announce"),
        (first, "deliver", "shop", "--apply"),
        (second, "deliver", "shop", "--apply"),
        (first, "rotate", "shop", "--force"),
        (second, "deliver", "shop", "--apply"),
    )
    for host, *arguments in steps:
        host.secrets(*arguments)
        assert_every_token_is_accepted(hosts)
    assert first.read("jwt") == second.read("jwt") != old
    assert old in first.accepted & second.accepted
    assert first.read("shop.env") == second.read("shop.env")
    for host, *arguments in ((first, "rotate", "shop", "--revoke"), (second, "rotate", "shop")):
        host.secrets(*arguments)
        assert_every_token_is_accepted(hosts)
    assert old not in first.accepted | second.accepted


def test_a_host_that_does_not_rotate_follows_by_its_timer_and_is_told_once(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    second.secrets("rotate")
    told = second.uses
    first.secrets("rotate", "shop", "--secret", "token", "--force")
    assert second.secrets("rotate")["changed"]
    assert second.read("shop.env") == first.read("shop.env")
    assert second.uses == told + 1
    assert not second.secrets("rotate")["changed"]
    assert second.uses == told + 1


def test_a_delivery_that_was_killed_before_the_application_was_told_is_told_later(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    second.secrets("rotate")
    told = second.uses
    first.secrets("rotate", "shop", "--force")
    second.secrets("deliver", "shop")
    assert second.uses == told
    second.secrets("deliver", "shop", "--apply")
    assert second.uses == told + 1


def test_all_go_back_together(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = {name: first.read(name) for name in ("jwt", "shop.env")}
    first.secrets("rotate", "shop", "--force")
    second.secrets("deliver", "shop", "--apply")
    assert first.read("jwt") != before["jwt"]
    first.secrets("rollback", "shop")
    second.secrets("deliver", "shop", "--apply")
    for host in hosts:
        assert {name: host.read(name) for name in before} == before


def test_only_what_was_rotated_goes_back(hosts: tuple[Host, Host]) -> None:
    first, _second = hosts
    jwt, token = first.read("jwt"), first.read("shop.env")
    assert "no earlier version" in first.secrets("rollback", "shop", rc=1)["msg"]
    first.secrets("rotate", "shop", "--secret", "token", "--force")
    done = first.secrets("rollback", "shop")
    assert [secret["name"] for secret in done["secrets"]] == ["token"]
    assert (first.read("jwt"), first.read("shop.env")) == (jwt, token)


def test_an_application_that_is_not_well_keeps_its_files(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "broken").touch()
    checks = [{"name": "the shop", "command": {"argv": ["test", "!", "-e", str(tmp_path / "broken")]}}]
    host = made(tmp_path / "app1", endpoint, rotates=True, checks=checks, timeout=1)
    host.secrets("create", "shop")
    before = host.read("shop.env")
    failed = host.secrets("rotate", "shop", "--secret", "token", "--force", rc=1)
    assert "the shop" in failed["msg"]
    assert host.read("shop.env") == before
    (tmp_path / "broken").unlink()
    host.secrets("rotate", "shop", "--secret", "token", "--force")
    assert host.read("shop.env") != before


def test_no_value_is_in_the_output_or_in_journals(hosts: tuple[Host, Host]) -> None:
    first, _second = hosts
    said = json.dumps([first.secrets("rotate", "shop", "--force"), first.secrets("check"), first.secrets("list")])
    values = [*first.accepted, first.read("shop.env").strip().partition("=")[2]]
    kept = "".join(path.read_text(encoding="utf-8") for path in first.folder.rglob("*") if path.is_file()
                   and path.parent.name in ("state", "metrics", "app1"))  # fmt: skip
    assert values and not [value for value in values if value in said or value in kept]
