# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own configuration is found by name, and refused when it is not what a role would have written."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._core.hostconfig import only_one, read


def written(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    path = folder / f"{name}.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_the_only_one_needs_no_name(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="name the backup; configured here: none"):
        only_one(tmp_path, "backup")
    written(tmp_path, "shop", "{}")
    assert only_one(tmp_path, "backup") == "shop"
    written(tmp_path, "data", "{}")
    with pytest.raises(OpsError, match="configured here: data, shop"):
        only_one(tmp_path, "backup")


def test_only_what_may_hold_secrets_has_to_be_private(tmp_path: Path) -> None:
    written(tmp_path, "shop", '{"a": 1}', 0o640)
    assert read("shop", tmp_path, "cluster", private=False) == {"a": 1}
    with pytest.raises(OpsError, match="chmod 0600"):
        read("shop", tmp_path, "application with secrets", private=True)


@pytest.mark.parametrize(("text", "words"), [("{CANARY", "is not JSON"), ('["CANARY"]', "no JSON object")])
def test_a_damaged_file_is_named_and_not_shown(tmp_path: Path, text: str, words: str) -> None:
    written(tmp_path, "shop", text)
    with pytest.raises(OpsError, match=words) as caught:
        read("shop", tmp_path, "backup", private=True)
    assert str(tmp_path / "shop.json") in caught.value.message
    assert "CANARY" not in caught.value.message
