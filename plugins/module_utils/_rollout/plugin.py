# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Docker Compose is started.

``docker compose`` starts the plugin twice, first to ask what it is, and needs more processor time for that than Compose
for reading a project. So the plugin is started itself, which works as its standalone form does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

DOCKER_COMPOSE = ("docker", "compose")
NAME = "docker-compose"
SYSTEM = (
    Path("/usr/local/lib/docker/cli-plugins"),
    Path("/usr/local/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path("/usr/libexec/docker/cli-plugins"),
)
ELSEWHERE = "cliPluginsExtraDirs"


def compose_program(environment: Mapping[str, str], system: Iterable[Path] = SYSTEM) -> tuple[str, ...]:
    """The plugin that ``docker compose`` would run, or that command itself where it is in no usual place."""
    home = environment.get("HOME", "/root")
    own = Path(environment.get("DOCKER_CONFIG") or f"{home}/.docker")
    if _names_other_places(own / "config.json"):
        return DOCKER_COMPOSE
    for directory in (own / "cli-plugins", *system):
        plugin = directory / NAME
        if os.access(plugin, os.X_OK):
            return (str(plugin),)
    return DOCKER_COMPOSE


def _names_other_places(config: Path) -> bool:
    try:
        return ELSEWHERE in config.read_text(encoding="utf-8")
    except OSError:
        return False
