# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which login a registry gets. Pure; the password goes to the Engine in the request that pulls, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OpsError

DOCKER_HUB = "docker.io"
HUB_NAMES = ("index.docker.io", "registry-1.docker.io", "hub.docker.com")


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one registry, named by ``host`` or ``host:port``."""

    server: str
    username: str
    password: str = field(repr=False)


def logins_from(entries: Sequence[Mapping[str, Any]]) -> tuple[Login, ...]:
    """Logins from the option's entries. Raises OpsError for a registry that is named twice or without a password."""
    logins = tuple(Login(_host(entry["server"]), entry["username"], entry["password"]) for entry in entries)
    servers = [login.server for login in logins]
    for login in logins:
        if servers.count(login.server) > 1:
            raise OpsError(f"registry: server {login.server} is named twice")
        if not login.username or not login.password:
            raise OpsError(f"registry: username and password of {login.server} must not be empty")
    return logins


def login_for(logins: Sequence[Login], reference: str) -> Login | None:
    """The login for an image reference."""
    server = registry_of(reference)
    return next((login for login in logins if login.server == server), None)


def registry_of(reference: str) -> str:
    """The registry that an image reference names; Docker Hub when it names none."""
    first, slash, _unused = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return _host(first)
    return DOCKER_HUB


def _host(server: str) -> str:
    host = server.strip().partition("://")[2] or server.strip()
    host = host.split("/")[0].lower()
    return DOCKER_HUB if host in HUB_NAMES else host
