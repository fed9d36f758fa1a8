# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Secrets Manager: the labels are its staging labels, the ids its version ids.

The token of each new version is made of what it follows. Two rotators that saw the same holdings use the same token,
and Secrets Manager refuses the second one's different value, so that neither takes the other's pending version away.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from .._core.aws import error_code, error_text, failures
from .._core.errors import OpsError
from .credential import Credential, Holdings, SecretVersion
from .document import Layout, credential_in, text_with
from .ports import ConflictError

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"
MOST_ATTEMPTS = 1000
TOKENS = uuid.UUID("5b0c5f0e-6f0d-4b57-9f6a-0d1b0f6a7c11")


class AwsStore:
    """One secret. ``client`` is shared and safe to use from several threads."""

    def __init__(self, client: Any, secret: str, layout: Layout, kms_key: str | None = None) -> None:
        self._client = client
        self._secret = secret
        self._layout = layout
        self._kms_key = kms_key
        self._where = layout.where

    def inspect(self) -> Holdings:
        """One call."""
        found = self._versions()
        return Holdings(*(found.get(label) for label in (CURRENT, PENDING, PREVIOUS)))

    def reveal(self, version: SecretVersion) -> Credential:
        return credential_in(self._text(version), self._layout)

    def put_pending(self, credential: Credential, seen: Holdings) -> SecretVersion:
        if not self._exists():
            self._create()
        base = self._text(seen.current) if seen.current and self._layout.key else None
        text = text_with(credential, self._layout, base)
        version = self._put(text, seen)
        now = self.inspect()
        if now.pending is None or now.pending.id != version:
            raise ConflictError(f"{self._where}: another rotator has a pending version of {self._secret}")
        if _id(now.current) not in (_id(seen.current), version):
            self._remove(PENDING, version)
            raise ConflictError(f"{self._where}: {self._secret} was rotated meanwhile")
        return now.pending

    def promote(self, seen: Holdings) -> None:
        pending = _need(seen.pending)
        now = self.inspect()
        if _id(now.current) not in (_id(seen.current), pending.id):
            raise ConflictError(f"{self._where}: {self._secret} was rotated meanwhile")
        if _id(now.current) != pending.id:
            self._move(CURRENT, to=pending.id, away_from=_id(now.current))
        if _id(now.pending) == pending.id:
            self._remove(PENDING, pending.id)

    def restore(self, seen: Holdings) -> None:
        current, previous = _need(seen.current), _need(seen.previous)
        if _id(self.inspect().current) != previous.id:
            self._move(CURRENT, to=previous.id, away_from=current.id)

    def restored_id(self, seen: Holdings) -> str:
        return seen.previous.id if seen.previous else ""

    def drop_pending(self, seen: Holdings) -> None:
        self._remove(PENDING, _need(seen.pending).id)

    def drop_previous(self, seen: Holdings) -> None:
        self._remove(PREVIOUS, _need(seen.previous).id)

    def close(self) -> None:
        """The client is shared."""

    def _versions(self) -> dict[str, SecretVersion]:
        found: dict[str, SecretVersion] = {}
        token: dict[str, str] = {}
        while True:
            try:
                page = self._client.list_secret_version_ids(SecretId=self._secret, MaxResults=100, **token)
            except failures() as error:
                if error_code(error) == "ResourceNotFoundException":
                    return {}
                raise self._failed("ListSecretVersionIds", error) from None
            for entry in page.get("Versions", []):
                version = SecretVersion(entry["VersionId"], _utc(entry.get("CreatedDate")))
                found.update(dict.fromkeys(entry.get("VersionStages", []), version))
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def _text(self, version: SecretVersion) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret, VersionId=version.id)
        except failures() as error:
            if error_code(error) == "ResourceNotFoundException":
                raise ConflictError(f"{self._where}: {self._secret} has no version {version.id} any more") from None
            raise self._failed("GetSecretValue", error) from None
        if "SecretString" not in answer:
            raise OpsError(f"{self._where}.secret: {self._secret} is binary; only text can be rotated")
        return str(answer["SecretString"])

    def _exists(self) -> bool:
        try:
            self._client.describe_secret(SecretId=self._secret)
        except failures() as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            raise self._failed("DescribeSecret", error) from None
        return True

    def _create(self) -> None:
        kms = {"KmsKeyId": self._kms_key} if self._kms_key else {}
        token = str(uuid.uuid5(TOKENS, f"{self._secret}/create"))
        try:
            self._client.create_secret(Name=self._secret, ClientRequestToken=token, **kms)
        except failures() as error:
            if error_code(error) != "ResourceExistsException":
                raise self._failed("CreateSecret", error) from None

    def _put(self, text: str, seen: Holdings) -> str:
        """The id of the new version. An id that is used up by a version without labels is passed over."""
        for attempt in range(MOST_ATTEMPTS):
            token = str(uuid.uuid5(TOKENS, f"{self._secret}/{_id(seen.current)}/{attempt}"))
            if self._is_used(token):
                continue
            try:
                self._client.put_secret_value(
                    SecretId=self._secret, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING]
                )
            except failures() as error:
                if error_code(error) == "ResourceExistsException":
                    raise ConflictError(f"{self._where}: another rotator was first with {self._secret}") from None
                raise self._failed("PutSecretValue", error) from None
            return token
        raise OpsError(f"{self._where}: {self._secret} has {MOST_ATTEMPTS} abandoned versions after its current one")

    def _is_used(self, token: str) -> bool:
        """Whether an abandoned version has this id. Raises ConflictError when it has a label: somebody's work."""
        try:
            answer = self._client.get_secret_value(SecretId=self._secret, VersionId=token)
        except failures() as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            raise self._failed("GetSecretValue", error) from None
        if {PENDING, CURRENT} & set(answer.get("VersionStages") or ()):
            raise ConflictError(f"{self._where}: another rotator was first with {self._secret}")
        return True

    def _move(self, label: str, *, to: str, away_from: str | None) -> None:
        source = {"RemoveFromVersionId": away_from} if away_from else {}
        self._stage(lambda: self._client.update_secret_version_stage(
            SecretId=self._secret, VersionStage=label, MoveToVersionId=to, **source
        ))  # fmt: skip

    def _remove(self, label: str, version: str) -> None:
        if _id(self._versions().get(label)) == version:
            self._stage(lambda: self._client.update_secret_version_stage(
                SecretId=self._secret, VersionStage=label, RemoveFromVersionId=version
            ))  # fmt: skip

    def _stage(self, call: Callable[[], object]) -> None:
        try:
            call()
        except failures() as error:
            if error_code(error) in ("InvalidParameterException", "ResourceNotFoundException"):
                raise ConflictError(f"{self._where}: the labels of {self._secret} were moved meanwhile") from None
            raise self._failed("UpdateSecretVersionStage", error) from None

    def _failed(self, call: str, error: BaseException) -> OpsError:
        return OpsError(f"{self._where}: {call} of {self._secret}: {error_text(error)}")


def _id(version: SecretVersion | None) -> str | None:
    return version.id if version else None


def _need(version: SecretVersion | None) -> SecretVersion:
    if version is None:
        raise ConflictError("the version to work on is not there any more")
    return version


def _utc(moment: Any) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.fromtimestamp(float(moment or 0), timezone.utc)
    return moment.astimezone(timezone.utc)
