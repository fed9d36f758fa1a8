# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker role's host commands decide."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

FILES = Path(__file__).parents[3] / "roles" / "docker" / "files"


def load(name: str) -> ModuleType:
    loader = SourceFileLoader(name.replace("-", "_"), str(FILES / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


prune = load("keelson-docker-prune")
settings = load("keelson-docker-settings")

LIMIT = datetime(2026, 3, 8, tzinfo=timezone.utc)


def image(
    id_: str, tags: list[str] | None, created: str = "2025-01-01T00:00:00Z", tagged: str = ""
) -> dict[str, object]:
    return {"Id": id_, "RepoTags": tags, "Created": created, "Metadata": {"LastTagTime": tagged}}


@pytest.mark.parametrize(
    ("candidate", "removed"),
    [
        (image("sha256:1", ["app:1", "app:2"]), ["app:1", "app:2"]),
        (image("sha256:1", []), ["sha256:1"]),
        (image("sha256:1", None), ["sha256:1"]),
        (image("sha256:used", ["app:1"]), []),
        (image("sha256:1", ["registry:5000/app:rollout-3"]), []),
        (image("sha256:1", ["app:1", "app:rollout-3"]), []),
        (image("sha256:1", ["rollout-3/app:1"]), ["rollout-3/app:1"]),
        (image("sha256:1", ["app:1"], tagged="2026-03-09T10:00:00.123456789+01:00"), []),
        (image("sha256:1", ["app:1"], created="2026-03-09T10:00:00.5Z"), []),
        (image("sha256:1", ["app:1"], tagged="0001-01-01T00:00:00Z"), ["app:1"]),
        ({"Id": "sha256:1", "RepoTags": ["app:1"], "Created": ""}, ["app:1"]),
    ],
)
def test_only_old_images_that_nothing_needs_are_removed(candidate: dict[str, object], removed: list[str]) -> None:
    assert prune.removable([candidate], frozenset(("sha256:used",)), ["rollout-*"], LIMIT) == removed


BASE = {"log-driver": "json-file", "insecure-registries": ["a:5000"], "default-address-pools": [{"base": "10.0.0.0/8"}]}


@pytest.mark.parametrize(
    ("in_force", "wanted", "restart"),
    [
        (BASE, BASE, False),
        (BASE, {**BASE, "insecure-registries": ["b:5000"]}, False),
        (BASE, {**BASE, "live-restore": True}, False),
        (BASE, {**BASE, "log-driver": "local"}, True),
        (BASE, {key: value for key, value in BASE.items() if key != "log-driver"}, True),
        ({}, {"icc": False}, True),
        (None, BASE, True),
    ],
)
def test_the_daemon_restarts_only_for_what_it_cannot_reload(
    in_force: dict[str, object] | None, wanted: dict[str, object], restart: bool
) -> None:
    assert settings.needs_restart(in_force, wanted) is restart
