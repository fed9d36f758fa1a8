# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of checks there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..options import Declarations
from ..resources import Resources
from ..spec import Probe, Target
from . import command, docker, docker_engine, http, postgres, redis, systemd, tcp, tls, unix


@dataclass(frozen=True, slots=True)
class Kind:
    """How targets of one kind are declared, read from options, and probed."""

    options: Declarations
    parse: Callable[[Mapping[str, Any], str], Target]
    make_probe: Callable[[Any, Resources], Probe]


KINDS: Mapping[str, Kind] = {
    "http": Kind(http.OPTIONS, http.parse, http.make_probe),
    "tcp": Kind(tcp.OPTIONS, tcp.parse, tcp.make_probe),
    "unix": Kind(unix.OPTIONS, unix.parse, unix.make_probe),
    "tls": Kind(tls.OPTIONS, tls.parse, tls.make_probe),
    "docker": Kind(docker.OPTIONS, docker.parse, docker_engine.make_probe),
    "postgres": Kind(postgres.OPTIONS, postgres.parse, postgres.make_probe),
    "redis": Kind(redis.OPTIONS, redis.parse, redis.make_probe),
    "systemd": Kind(systemd.OPTIONS, systemd.parse, systemd.make_probe),
    "command": Kind(command.OPTIONS, command.parse, command.make_probe),
}
