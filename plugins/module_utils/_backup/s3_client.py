# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""boto3 and its errors, imported only when a destination needs them."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

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
        "retries": {"mode": "standard", "max_attempts": settings.max_attempts},
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
    session = boto3.session.Session(**_credentials(settings), region_name=settings.region or "us-east-1")
    if session.get_credentials() is None:
        raise OpsError(f"no credentials for bucket {settings.bucket} (options access_key, credentials_file, profile)")
    return session.client("s3", endpoint_url=settings.endpoint_url, config=config, verify=settings.ca_bundle)


def failures() -> tuple[type[BaseException], ...]:
    """What a call of the client raises when it fails."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    return (BotoCoreError, ClientError, HTTPError, OSError)


def error_code(error: BaseException) -> str | None:
    """The service's code of an error, as ``NoSuchUpload``."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code")) if isinstance(answer, dict) else None


def error_text(error: BaseException) -> str:
    """The service's code and message; botocore's texts hold no credentials."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        said = answer.get("Error", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
        return f"{said.get('Code', '')} {said.get('Message', '')} (HTTP {status})".strip()
    return f"{type(error).__name__}: {error}"


def _credentials(settings: S3Destination) -> dict[str, str | None]:
    if settings.access_key or settings.secret_key:
        if not (settings.access_key and settings.secret_key):
            raise OpsError(f"access_key and secret_key of bucket {settings.bucket} belong together")
        return {
            "aws_access_key_id": settings.access_key,
            "aws_secret_access_key": settings.secret_key,
            "aws_session_token": settings.session_token,
        }
    if settings.credentials_file:
        return _from_file(Path(settings.credentials_file), settings.profile or "default")
    return {"profile_name": settings.profile} if settings.profile else {}


def _from_file(path: Path, profile: str) -> dict[str, str | None]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if path.stat().st_mode & 0o077:
            raise OpsError(
                f"{path} can be read by others although it holds credentials; chmod 0600 it (credentials_file)"
            )
        parser.read_string(path.read_text(encoding="utf-8"))
        section = parser[profile]
        names = ("aws_access_key_id", "aws_secret_access_key")
        token = section.get("aws_session_token")
        return {**{name: section[name] for name in names}, "aws_session_token": token}
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror} (credentials_file)") from None
    except (configparser.Error, KeyError):
        raise OpsError(f"{path} has no profile {profile!r} with aws_access_key_id and aws_secret_access_key") from None
