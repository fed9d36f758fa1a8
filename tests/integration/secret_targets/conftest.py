# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers whose passwords are rotated: PostgreSQL that logs every statement, Redis with an ACL file."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import Target
from ansible_collections.keelson.ops.plugins.module_utils._secrets.targets import open_target
from docker.models.containers import Container

LABEL = "keelson.test.secret_targets"
ADMIN_PASSWORD = "administrator-of-a-test"

Start = Callable[..., Container]


def target(**options: Any) -> Target:
    """A target as the module and the host command open it."""
    return open_target(options, None, "secrets[0]", SystemClock(), SubprocessRunner())


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts containers that are gone after the last test of the file."""
    engine = docker.from_env()
    started: list[Container] = []

    def run(image: str, command: list[str] | None = None, **options: Any) -> Container:
        name = f"secrets-{uuid.uuid4().hex[:8]}"
        container = engine.containers.run(
            image, command, name=name, labels={LABEL: "1"}, init=True, detach=True, **options
        )
        started.append(container)
        return container

    yield run
    for container in started:
        container.remove(force=True, v=True)
    engine.close()


def address(container: Container) -> str:
    """The container's address, reachable from this machine."""
    container.reload()
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


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
