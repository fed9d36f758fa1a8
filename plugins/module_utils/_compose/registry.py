# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign-in to image registries, as the file that ``docker login`` would write. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping

from .._core.errors import OpsError

DIRECTORY = "/etc/keelson/docker"
"""What DOCKER_CONFIG is set to; root's own configuration is left alone."""


def login_files(registries: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Entries of config_files; none without registries. Raises OpsError."""
    auths = {}
    for registry in registries:
        host, user, password = (str(registry.get(key) or "") for key in ("host", "username", "password"))
        if not (host and user and password):
            raise OpsError(f"compose_app_registries: {host or 'a registry'} needs host, username and password")
        auths[host] = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
    if not auths:
        return []
    content = json.dumps({"auths": auths}, indent=2, sort_keys=True) + "\n"
    return [
        {"dest": "/etc/keelson", "state": "directory"},
        {"dest": DIRECTORY, "state": "directory", "mode": "0700"},
        {"dest": f"{DIRECTORY}/config.json", "content": content, "mode": "0600", "secret": True},
    ]
