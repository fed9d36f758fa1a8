# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of Secrets Manager, imported only when a store needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._core.aws import credentials
from .._core.errors import OpsError

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
    try:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError:
        raise OpsError(f"boto3 is missing ({where}.type: aws); install the package python3-boto3") from None
    config = Config(
        retries={"mode": "standard", "max_attempts": 6},
        connect_timeout=10,
        read_timeout=30,
        max_pool_connections=CONNECTIONS,
    )
    try:
        session = boto3.session.Session(**credentials(access, where), region_name=access.region)
        if session.get_credentials() is None:
            raise OpsError(f"{where}: no credentials (options access_key, credentials_file, profile)")
        return session.client(
            "secretsmanager", endpoint_url=access.endpoint_url, config=config, verify=access.ca_bundle
        )
    except BotoCoreError as error:
        raise OpsError(f"{where}: {error} (options region, profile, endpoint_url)") from None
