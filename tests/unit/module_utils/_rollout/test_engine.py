# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Engine's adapter over an SDK that only remembers; skipped where the SDK is missing."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("docker")

import docker
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.engine import DockerEngine


class Api:
    """Two containers that stop only when both have been asked to."""

    def __init__(self) -> None:
        self.both = threading.Barrier(2, timeout=30)
        self.stopped: dict[str, float] = {}
        self.removed: set[str] = set()

    def stop(self, container: str, timeout: float) -> None:
        if container == "stuck":
            raise docker.errors.APIError("it does not stop")
        self.both.wait()
        self.stopped[container] = timeout

    def remove_container(self, container: str, force: bool) -> None:
        self.removed.add(container)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    monkeypatch.setattr(docker, "from_env", lambda **_: SimpleNamespace(api=api))
    return api


def test_containers_stop_all_at_once_each_with_its_own_patience(api: Api) -> None:
    DockerEngine().stop_all({"a": 5.0, "b": 20.0})
    assert api.stopped == {"a": 5, "b": 20}
    assert api.removed == {"a", "b"}


def test_one_that_cannot_be_stopped_does_not_keep_the_others(api: Api) -> None:
    with pytest.raises(OpsError, match="cannot stop a container: it does not stop"):
        DockerEngine().stop_all({"stuck": 5.0, "a": 5.0, "b": 5.0})
    assert api.removed == {"a", "b"}
