# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of Amazon's APIs: what the options lack is said before anything is asked, and shows no secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.s3_client import connect
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import S3Destination
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

pytest.importorskip("boto3")

BUCKET = S3Destination("shop", access_key="AKIA", secret_key="CANARY", endpoint_url="http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_client_asks_the_endpoint_of_the_options() -> None:
    client = connect(BUCKET)
    assert client.meta.endpoint_url == BUCKET.endpoint_url
    assert client.meta.config.s3["addressing_style"] == "path"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret_key": None}, "access_key and secret_key of bucket shop belong together"),
        ({"access_key": None, "secret_key": None}, "bucket shop: no credentials"),
        ({"access_key": None, "secret_key": None, "profile": "other"}, "bucket shop: .*other"),
        ({"endpoint_url": "not an URL"}, "bucket shop: endpoint_url"),
    ],
)
def test_what_is_missing_is_named(changed: dict[str, str | None], words: str) -> None:
    with pytest.raises(OpsError, match=words) as caught:
        connect(replace(BUCKET, **changed))  # type: ignore[arg-type]
    assert "CANARY" not in caught.value.message


@pytest.mark.parametrize(("mode", "words"), [(0o644, "chmod 0600"), (0o600, "has no profile 'default'")])
def test_a_file_of_credentials_is_private_and_has_the_profile(tmp_path: Path, mode: int, words: str) -> None:
    file = tmp_path / "credentials"
    file.write_text("[other]\naws_secret_access_key = CANARY\n", encoding="utf-8")
    file.chmod(mode)
    with pytest.raises(OpsError, match=words) as caught:
        connect(replace(BUCKET, access_key=None, secret_key=None, credentials_file=str(file)))
    assert "CANARY" not in caught.value.message
