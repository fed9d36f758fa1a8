# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""boto3, imported only when a destination needs it."""

from __future__ import annotations

from typing import Any

from .._core.aws import credentials
from .._core.errors import OpsError
from .settings import S3Destination


def connect(settings: S3Destination) -> Any:
    """A client with retries and backoff. Raises OpsError when boto3 is missing or credentials are not as asked."""
    try:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
    except ImportError:
        raise OpsError("boto3 is missing (destination s3); install the package python3-boto3") from None
    options: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": settings.max_attempts},
        "connect_timeout": 10,
        "read_timeout": 60,
        "max_pool_connections": 8,
        "s3": {"addressing_style": "path"} if settings.endpoint_url else {},
    }
    try:
        # Newer versions add checksums that services other than S3 refuse; every part carries its MD5 already.
        config = Config(
            **options, request_checksum_calculation="when_required", response_checksum_validation="when_required"
        )
    except TypeError:
        config = Config(**options)
    session = boto3.session.Session(
        **credentials(settings, f"bucket {settings.bucket}"), region_name=settings.region or "us-east-1"
    )
    if session.get_credentials() is None:
        raise OpsError(f"no credentials for bucket {settings.bucket} (options access_key, credentials_file, profile)")
    return session.client("s3", endpoint_url=settings.endpoint_url, config=config, verify=settings.ca_bundle)
