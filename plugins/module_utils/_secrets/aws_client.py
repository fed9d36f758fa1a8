# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Secrets Manager, imported only when a store needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._core.aws import open_client

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Which service, and who asks; None leaves it to where the client always looks."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    credentials_file: str | None = None
    profile: str | None = None
    ca_bundle: str | None = None


def connect(access: AwsAccess, where: str) -> Any:
    """A client with retries and backoff. Raises OpsError when boto3, the region or the credentials are missing."""
    settings = {
        "retries": {"mode": "standard", "max_attempts": 6},
        "connect_timeout": 10,
        "read_timeout": 30,
        "max_pool_connections": CONNECTIONS,
    }
    return open_client(access, "secretsmanager", where, region=access.region, settings=settings)
