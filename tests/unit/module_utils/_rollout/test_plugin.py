# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program is Docker Compose, and which processes are it at work on a project."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._rollout.entry import compose_processes
from ansible_collections.keelson.ops.plugins.module_utils._rollout.plugin import DOCKER_COMPOSE, compose_program


def plugin(directory: Path, mode: int = 0o755) -> Path:
    directory.mkdir(parents=True)
    path = directory / "docker-compose"
    path.touch(mode)
    return path


def test_the_plugin_is_found_where_docker_looks_the_users_own_before_the_systems(tmp_path: Path) -> None:
    home, system = tmp_path / "home", (tmp_path / "local", tmp_path / "usr")
    environment = {"HOME": str(home)}
    assert compose_program(environment, system) == DOCKER_COMPOSE
    packaged = plugin(system[1])
    assert compose_program(environment, system) == (str(packaged),)
    local = plugin(system[0])
    assert compose_program(environment, system) == (str(local),)
    own = plugin(home / ".docker" / "cli-plugins")
    assert compose_program(environment, system) == (str(own),)
    assert compose_program({**environment, "DOCKER_CONFIG": str(tmp_path / "other")}, system) == (str(local),)


def test_docker_looks_itself_where_its_configuration_names_other_places(tmp_path: Path) -> None:
    packaged = plugin(tmp_path / "usr")
    environment = {"DOCKER_CONFIG": str(tmp_path)}
    (tmp_path / "config.json").write_text('{"auths": {}}')
    assert compose_program(environment, [tmp_path / "usr"]) == (str(packaged),)
    (tmp_path / "config.json").write_text('{"cliPluginsExtraDirs": ["/opt/plugins"]}')
    assert compose_program(environment, [tmp_path / "usr"]) == DOCKER_COMPOSE


def test_a_file_that_is_no_program_is_no_plugin(tmp_path: Path) -> None:
    plugin(tmp_path / "usr", mode=0o644)
    assert compose_program({"HOME": str(tmp_path)}, [tmp_path / "usr"]) == DOCKER_COMPOSE


@pytest.mark.parametrize(
    ("command", "counts"),
    [
        ("/usr/libexec/docker/cli-plugins/docker-compose --project-name shop up --detach web", True),
        ("docker compose --project-name shop create web", True),
        ("docker compose --project-name shop ps", False),
        ("docker compose --project-name other up", False),
        ("grep docker-compose --project-name shop up", False),
    ],
)
def test_compose_at_work_on_a_project(tmp_path: Path, command: str, counts: bool) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes("\0".join([*command.split(), ""]).encode())
    (tmp_path / "self").mkdir()
    assert compose_processes("shop", tmp_path) == ([7] if counts else [])
