# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of a bucket, made only when a destination needs it."""

from __future__ import annotations

from typing import Any

from .._core.aws import open_client
from .settings import S3Destination


def connect(destination: S3Destination) -> Any:
    """A client with retries and backoff. Raises OpsError when boto3 is missing or credentials are not as asked."""
    settings = {
        "retries": {"mode": "standard", "total_max_attempts": destination.max_attempts},
        "connect_timeout": 10,
        "read_timeout": 60,
        "max_pool_connections": 8,
        "s3": {"addressing_style": "path"} if destination.endpoint_url else {},
    }
    # Newer versions add checksums that services other than S3 refuse; every part carries its MD5 already.
    newer = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    region = destination.region or "us-east-1"
    what = f"bucket {destination.bucket}"
    return open_client(destination, "s3", what, region=region, settings=settings, newer=newer)
