# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity, places and manifests of restore points."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.manifest import (
    ManifestDamagedError,
    parse_manifest,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.points import (
    Point,
    database_folder,
    is_point_id,
    new_point,
)

from tests.unit.module_utils._backup.example import MANIFEST

AT = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-3)))


def test_a_point_is_named_by_its_time_in_utc() -> None:
    point = new_point("shop", AT, "00c0ffee")
    assert point.id == "20260302T023000Z-00c0ffee"
    assert point.taken_at == AT
    assert is_point_id(point.id)


@pytest.mark.parametrize("text", ["latest", "20260302T023000Z", "../20260302T023000Z-00c0ffee", "lost+found"])
def test_other_names_are_no_points(text: str) -> None:
    assert not is_point_id(text)


@pytest.mark.parametrize("name", ["shop", "with space", "a/b", "..", ".hidden", "ünï", "%2E", "a=b"])
def test_any_database_name_is_one_safe_folder(name: str) -> None:
    folder = database_folder(name)
    assert folder.count("/") == 1
    assert not folder.startswith(".")
    assert unquote(folder.rstrip("/")) == name


def test_a_manifest_survives_its_file() -> None:
    assert parse_manifest(MANIFEST.to_bytes(), "here") == MANIFEST
    assert MANIFEST.point == Point("20260302T023000Z-00c0ffee", "shop")
    assert MANIFEST.server_major == 17


def test_without_globals() -> None:
    bare = replace(MANIFEST, globals=None)
    assert parse_manifest(bare.to_bytes(), "here") == bare


@pytest.mark.parametrize("data", [b"", b"null", b"{", b"[]", b'{"format": 1}', MANIFEST.to_bytes()[:-40]])
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestDamagedError, match="here"):
        parse_manifest(data, "here")


def test_a_newer_format_asks_for_an_upgrade() -> None:
    newer = json.dumps({**json.loads(MANIFEST.to_bytes()), "format": 2}).encode()
    with pytest.raises(ManifestDamagedError, match="upgrade"):
        parse_manifest(newer, "here")
