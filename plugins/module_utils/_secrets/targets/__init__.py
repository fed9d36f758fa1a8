# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What secrets open: the options of every kind of target, in the form of Ansible's argument specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.clock import Clock
from ..._core.command import Runner
from ..._core.errors import OpsError
from ..._health.options import read_options
from ..generate import policy_for
from ..ports import Target
from . import command, jwt, nothing, postgres, redis

POSTGRES = "postgres"
REDIS = "redis"
JWT = "jwt"
COMMAND = "command"
NONE = "none"

POLICY: dict[str, dict[str, Any]] = {
    # Characters of a value.
    "length": {"type": "int"},
    # url_safe, alphanumeric, hex, digits, or the characters themselves.
    "alphabet": {"type": "str"},
}
TARGET: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "choices": [POSTGRES, REDIS, JWT, COMMAND, NONE], "default": NONE},
    # postgres, redis: the server, and who changes passwords there.
    "login_host": {"type": "str"},
    "login_port": {"type": "int"},
    "login_unix_socket": {"type": "path"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_database": {"type": "str"},
    "ssl_mode": {
        "type": "str",
        "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        "default": "prefer",
    },
    "tls": {"type": "bool", "default": False},
    "ca_cert": {"type": "path"},
    # postgres: the role that owns what the application makes; redis: the ACL user.
    "username": {"type": "str"},
    "strategy": {"type": "str", "choices": [postgres.ALTERNATING, postgres.SINGLE], "default": postgres.ALTERNATING},
    # postgres, alternating: the two login roles; <username>_1 and <username>_2 without it.
    "usernames": {"type": "list", "elements": "str", "default": []},
    # redis: rules of a user that does not exist yet, and whether the change is written where a restart finds it.
    "rules": {"type": "list", "elements": "str", "default": []},
    "persist": {"type": "str", "choices": ["auto", "none"], "default": "auto"},
    # jwt
    "algorithm": {"type": "str", "choices": list(jwt.ALGORITHMS), "default": "HS256"},
    "jwks_file": {"type": "path"},
    "cache_seconds": {"type": "float"},
    # command
    "set": {"type": "list", "elements": "str", "default": []},
    "test": {"type": "list", "elements": "str", "default": []},
    "revoke": {"type": "list", "elements": "str", "default": []},
    "overlaps": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 30.0},
}
_ANY = frozenset({"type"})
_LOGIN = _ANY | {"login_host", "login_port", "login_unix_socket", "login_user", "login_password", "ca_cert", "username"}
_OF_TYPE: Mapping[str, frozenset[str]] = {
    POSTGRES: _LOGIN | {"login_database", "ssl_mode", "strategy", "usernames"},
    REDIS: _LOGIN | {"tls", "rules", "persist"},
    JWT: _ANY | {"algorithm", "jwks_file", "cache_seconds"},
    COMMAND: _ANY | {"set", "test", "revoke", "overlaps", "timeout"},
    NONE: _ANY,
}


def open_target(
    target: Mapping[str, Any] | None, policy: Mapping[str, Any] | None, where: str, clock: Clock, runner: Runner
) -> Target:
    """The target that the options describe; connects nowhere yet.

    ``where`` names the secret in messages, as ``secrets[0]``. Raises OpsError naming the option at fault.
    """
    options = read_options(TARGET, target or {}, f"{where}.target")
    kind = options["type"]
    for name, value in options.items():
        if name not in _OF_TYPE[kind] and value not in (None, (), _default(name)):
            raise OpsError(f"{where}.target.{name}: does not belong to type {kind}")
    given = read_options(POLICY, policy or {}, f"{where}.policy")
    made = policy_for(kind, given, f"{where}.policy")
    place = f"{where}.target"
    if kind == POSTGRES:
        return postgres.open_postgres(options, made, place)
    if kind == REDIS:
        return redis.open_redis(options, made, place, clock, runner)
    if kind == JWT:
        return jwt.open_jwt(options, made, place, runner)
    if kind == COMMAND:
        return command.open_command(options, made, place, runner)
    return nothing.StoredOnly(made)


def _default(name: str) -> object:
    default = TARGET[name].get("default")
    return tuple(default) if isinstance(default, list) else default
