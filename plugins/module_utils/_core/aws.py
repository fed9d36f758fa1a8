# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions with Amazon's APIs by the credentials that our options give, and the words for what their clients raise."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .errors import OpsError


class Access(Protocol):
    """The options that say who asks, and where; with none of them the client looks where it always does."""

    @property
    def endpoint_url(self) -> str | None: ...
    @property
    def ca_bundle(self) -> str | None: ...
    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def session_token(self) -> str | None: ...
    @property
    def credentials_file(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...


def open_client(
    access: Access,
    service: str,
    what: str,
    *,
    region: str | None,
    settings: Mapping[str, Any],
    newer: Mapping[str, Any] | None = None,
) -> Any:
    """A client of boto3 for ``what``, with botocore's ``settings`` and those of ``newer`` that this version knows.

    Raises OpsError when boto3, the region or the credentials are missing or not as asked.
    """
    try:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError:
        raise OpsError(f"{what}: boto3 is missing; install the package python3-boto3") from None
    try:
        config = Config(**settings, **(newer or {}))
    except TypeError:
        config = Config(**settings)
    try:
        session = boto3.session.Session(**credentials(access, what), region_name=region)
        if session.get_credentials() is None:
            raise OpsError(f"{what}: no credentials (options access_key, credentials_file, profile)")
        return session.client(service, endpoint_url=access.endpoint_url, config=config, verify=access.ca_bundle)
    except BotoCoreError as error:
        raise OpsError(f"{what}: {error} (options region, profile)") from None
    except ValueError:
        raise OpsError(f"{what}: endpoint_url is no URL that can be used") from None


def credentials(access: Access, what: str) -> dict[str, str | None]:
    """Arguments of a session for ``what``. Raises OpsError naming the option."""
    if access.access_key or access.secret_key:
        if not (access.access_key and access.secret_key):
            raise OpsError(f"access_key and secret_key of {what} belong together")
        return {
            "aws_access_key_id": access.access_key,
            "aws_secret_access_key": access.secret_key,
            "aws_session_token": access.session_token,
        }
    if access.credentials_file:
        return _from_file(Path(access.credentials_file), access.profile or "default")
    return {"profile_name": access.profile} if access.profile else {}


def failures() -> tuple[type[BaseException], ...]:
    """What a call of a client raises when it fails."""
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
