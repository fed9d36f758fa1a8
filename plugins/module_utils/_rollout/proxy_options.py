# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies that the user named, checked and typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._core.errors import OpsError
from .caddy_address import check_address
from .proxy import CADDY, CONTAINER, NGINX, ProxySetting

NGINX_ONLY = ("name", "directives", "command", "pid_file")
CADDY_ONLY = ("admin", "id")
NAME = re.compile(r"[A-Za-z0-9_.-]+")
DIRECTIVE = re.compile(r"[^{}\n]+")


def proxies_from(entries: Sequence[Mapping[str, Any]], project: str) -> tuple[ProxySetting, ...]:
    """Settings from the option's entries. Raises OpsError naming the one that makes no sense."""
    settings = tuple(_setting(entry, project) for entry in entries)
    files = [setting.file for setting in settings if setting.file is not None]
    for file in files:
        if files.count(file) > 1:
            raise OpsError(f"proxy: file {file} is named twice; each proxy of each service needs one of its own")
    return settings


def _setting(entry: Mapping[str, Any], project: str) -> ProxySetting:
    given = {key: value for key, value in entry.items() if value not in (None, [], "")}
    kind = given["type"]
    foreign = sorted(set(given) & set(CADDY_ONLY if kind == NGINX else NGINX_ONLY))
    if foreign:
        raise OpsError(f"proxy: {', '.join(foreign)} makes no sense for type {kind}")
    service = given["service"]
    name = given.get("name") or f"{project}_{service}"
    if not NAME.fullmatch(name):
        raise OpsError(f"proxy: name {name!r} is no name of an upstream; use letters, digits, _, . and -")
    for directive in given.get("directives", ()):
        if not DIRECTIVE.fullmatch(directive):
            raise OpsError(f"proxy: directives: {directive!r} is not one plain directive of an upstream block")
    file = given.get("file") or (f"/etc/nginx/conf.d/keelson-{project}-{service}.conf" if kind == NGINX else None)
    if kind == CADDY:
        check_address(given.get("admin", "http://localhost:2019"))
        if file is None and given.get("address") == CONTAINER:
            raise OpsError(
                "proxy: address: container changes the upstreams of Caddy for good; name the file that its Caddyfile "
                "imports (file), or use address: published"
            )
    given = {**given, "name": name, "file": None if file is None else Path(file)}
    for key, convert in (("directives", tuple), ("command", _words), ("pid_file", Path)):
        if key in given:
            given[key] = convert(given[key])
    return ProxySetting(**given)


def _words(command: str) -> tuple[str, ...]:
    return tuple(command.split())
