# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup in a playbook: current values from files and from Secrets Manager, and nothing of them in the output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from botocore.exceptions import BotoCoreError

from lab.images import service_image
from tests.tools.outcomes import ROOT

CANARY = "canary-of-the-lookup-0123456789-abcdef"


def run(folder: Path, *tasks: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run tasks on this machine as verbosely as possible."""
    play = folder / "play.yml"
    play.write_text(
        json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}]),
        encoding="utf-8",
    )
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "-vvv", "--diff"]
    return subprocess.run([*command, str(play)], cwd=ROOT, capture_output=True, text=True, check=False)


def reading(term: str, store: dict[str, Any], part: str = "value") -> str:
    return f"lookup('keelson.ops.secret', {term!r}, store={store!r}, part={part!r})"


def writes(folder: Path, expression: str) -> str:
    """What config_files writes when it is given the expression as a secret file; none of it may be in the output."""
    target = folder / "written"
    entry = {
        "dest": str(target),
        "content": f"{{{{ {expression} }}}}",
        "secret": True,
        "mode": "0600",
        "owner": str(folder.stat().st_uid),
        "group": str(folder.stat().st_gid),
    }
    done = run(folder, {"keelson.ops.config_files": {"files": [entry]}, "no_log": True})
    assert done.returncode == 0, done.stdout[-3000:]
    assert CANARY not in done.stdout + done.stderr
    return target.read_text(encoding="utf-8")


def test_values_in_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(CANARY, encoding="utf-8")
    (tmp_path / "login").write_text("shop_2", encoding="utf-8")
    store = {"type": "file", "attribute_keys": {"username": str(tmp_path / "login")}}
    assert writes(tmp_path, reading(str(tmp_path / "password"), store)) == CANARY
    assert writes(tmp_path, reading(str(tmp_path / "password"), store, "username")) == "shop_2"
    assert writes(tmp_path, reading(str(tmp_path / "password"), store, "other") + " ~ 'none'") == "none"


def test_an_entry_of_an_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"LOG=info\nTOKEN={CANARY}\n", encoding="utf-8")
    assert writes(tmp_path, reading("TOKEN", {"type": "env_file", "path": str(tmp_path / ".env")})) == CANARY


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    engine = docker.from_env()
    container = engine.containers.run(service_image("s3"), detach=True, name=f"secrets-{uuid.uuid4().hex[:8]}")
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    yield f"http://{network['IPAddress']}:5000"
    container.remove(force=True, v=True)
    engine.close()


def test_the_current_version_in_secrets_manager_and_never_the_pending_one(tmp_path: Path, endpoint: str) -> None:
    keys = {"access_key": "AKIATEST", "secret_key": "of-a-test"}
    client = boto3.client(
        "secretsmanager", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=keys["access_key"], aws_secret_access_key=keys["secret_key"],
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_secret(Name="shop/db", SecretString=json.dumps({"password": CANARY, "user": "shop_1"}))
            break
        except BotoCoreError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    client.put_secret_value(SecretId="shop/db", SecretString='{"password": "pending"}', VersionStages=["AWSPENDING"])
    store = {"type": "aws", "endpoint_url": endpoint, "region": "us-east-1", "key": "password", **keys}
    assert writes(tmp_path, reading("shop/db", store)) == CANARY
    assert writes(tmp_path, reading("shop/db", store, "other")) == "pending"


@pytest.mark.parametrize(
    ("term", "store", "words"),
    [
        ("/nonexistent/password", {"type": "file"}, "there is no such secret in the store"),
        ("x", {"type": "ftp"}, "store.type: must be one of aws, vault, file, env_file"),
        ("x", {"type": "file", "colour": "red"}, "store.colour: no such option"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, term: str, store: dict[str, Any], words: str) -> None:
    done = run(tmp_path, {"ansible.builtin.debug": {"msg": f"{{{{ {reading(term, store)} }}}}"}})
    assert done.returncode != 0
    assert words in " ".join((done.stdout + done.stderr).split())
