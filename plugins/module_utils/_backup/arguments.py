# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the backup modules share, as plain data; documented in the fragment ``keelson.ops.backup``."""

from __future__ import annotations

from typing import Any

SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

_DESTINATION: dict[str, Any] = {
    "type": {"type": "str", "choices": ["directory", "s3"], "required": True},
    "path": {"type": "path"},
    "bucket": {"type": "str"},
    "prefix": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "region": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "credentials_file": {"type": "path"},
    "profile": {"type": "str"},
    "server_side_encryption": {"type": "str", "choices": ["AES256", "aws:kms"]},
    "kms_key_id": {"type": "str", "no_log": False},
    "storage_class": {"type": "str"},
    "object_lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"]},
    "object_lock_days": {"type": "int"},
    "ca_bundle": {"type": "path"},
    "max_attempts": {"type": "int"},
}

SHARED: dict[str, Any] = {
    "config": {"type": "str"},
    "name": {"type": "str"},
    "source": {"type": "str", "choices": ["postgres", "command"]},
    "command": {"type": "list", "elements": "str"},
    "command_env": {"type": "dict", "no_log": True},
    "verify_command": {"type": "list", "elements": "str"},
    "databases": {"type": "list", "elements": "str", "aliases": ["database"]},
    "login_host": {"type": "str", "aliases": ["host"]},
    "login_port": {"type": "int", "default": 5432, "aliases": ["port"]},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "no_log": True},
    "login_unix_socket": {"type": "path", "aliases": ["unix_socket"]},
    "ssl_mode": {"type": "str", "default": "prefer", "choices": SSL_MODES},
    "ca_cert": {"type": "path", "aliases": ["ssl_rootcert"]},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path", "no_log": False},
    "run_as": {"type": "str"},
    "bin_dir": {"type": "path"},
    "container": {"type": "str"},
    "compose_project": {"type": "str"},
    "compose_service": {"type": "str"},
    "destinations": {
        "type": "list",
        "elements": "dict",
        "options": _DESTINATION,
        "required_if": [("type", "directory", ["path"]), ("type", "s3", ["bucket"])],
    },
    "decryption_identity": {"type": "path"},
    "decryption_passphrase_file": {"type": "path", "no_log": False},
    "lock_timeout": {"type": "str", "default": "60"},
    "state_dir": {"type": "path", "default": "/var/lib/keelson/backup"},
    "audit_log": {"type": "path", "default": "/var/log/keelson/backup.jsonl"},
    "metrics_dir": {"type": "path", "default": "/var/lib/prometheus/node-exporter"},
}

# Another server: the same connection options, all of them about it.
_CONNECTION = (
    "login_host login_port login_user login_password login_unix_socket ssl_mode ca_cert ssl_cert ssl_key run_as "
    "bin_dir container compose_project compose_service"
)
SERVER: dict[str, Any] = {
    name: {key: value for key, value in SHARED[name].items() if key not in {"aliases", "default"}}
    for name in _CONNECTION.split()
}

RETENTION: dict[str, Any] = {
    "days": {"type": "int"},
    "daily": {"type": "int"},
    "weekly": {"type": "int"},
    "monthly": {"type": "int"},
    "min_keep": {"type": "int", "default": 1},
}

CONSTRAINTS: dict[str, Any] = {
    "mutually_exclusive": [
        ("container", "compose_service"),
        ("login_host", "login_unix_socket"),
        ("config", "databases", "command"),
        ("config", "destinations"),
    ],
    "required_together": [("compose_project", "compose_service")],
    "required_one_of": [("config", "databases", "command")],
    "required_if": [("source", "command", ["command", "name"])],
}

RESTORE_CONSTRAINTS: dict[str, Any] = {
    "mutually_exclusive": [
        ("container", "compose_service"),
        ("login_host", "login_unix_socket"),
        ("config", "destinations"),
    ],
    "required_together": [("compose_project", "compose_service")],
    "required_one_of": [("config", "destinations")],
    "required_by": {"destinations": ["databases"]},
}
