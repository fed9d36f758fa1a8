# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How stores write secrets down: JSON, env files, files of their own; and options that make no sense."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.document import Layout, credential_in, text_with
from ansible_collections.keelson.ops.plugins.module_utils._secrets.env_text import entry, with_entry
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import ConflictError, Store
from ansible_collections.keelson.ops.plugins.module_utils._secrets.stores import open_store

from tests.unit.module_utils._secrets.world import Time

ENV = "# shop\nPORT=80\nexport TOKEN='it\\'s'\nNAME=\"a\\nb\" # note\nPLAIN=x y # note\n"


def opened(**options: Any) -> Store:
    return open_store(options, "store", Time())


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "80"), ("TOKEN", "it's"), ("NAME", "a\nb"), ("PLAIN", "x y"), ("NONE", None)]
)
def test_entries_are_read_as_applications_read_them(name: str, value: str | None) -> None:
    assert entry(ENV, name) == value


def test_one_entry_is_replaced_and_the_rest_stays() -> None:
    text = with_entry(ENV, "TOKEN", "new one")
    assert entry(text, "TOKEN") == "new one"
    assert text.replace("TOKEN='new one'\n", "") == ENV.replace("export TOKEN='it\\'s'\n", "")
    assert with_entry("A=1\n", "B", "2") == "A=1\nB=2\n"
    assert with_entry("A=1\nB=2\nA=3\n", "A", None) == "B=2\n"


def test_json_keeps_its_other_keys() -> None:
    layout = Layout("password", {"username": "user"})
    text = text_with(Credential("p", {"username": "u", "key_id": "not kept"}), layout, '{"host": "h", "user": "old"}')
    assert json.loads(text) == {"host": "h", "user": "u", "password": "p"}
    assert credential_in(text, layout) == Credential("p", {"username": "u"})


@pytest.mark.parametrize("text", ["plain-CANARY", '["CANARY"]', '{"other": "CANARY"}'])
def test_text_without_the_key_is_not_shown(text: str) -> None:
    with pytest.raises(OpsError, match=r"store\.key") as failure:
        credential_in(text, Layout("password"))
    assert "CANARY" not in failure.value.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "store.type: must be one of"),
        ({"type": "aws"}, "store.secret: is needed"),
        ({"type": "env_file", "path": "/x"}, "store.key: is needed"),
        ({"type": "aws", "secret": "s", "region": "r", "access_key": "a", "secret_key": "b",
          "attribute_keys": {"username": "u"}}, "store.attribute_keys: only a JSON secret"),
        ({"type": "vault", "secret": "s", "endpoint_url": "vault:8200", "token": "t"}, "must be http://"),
    ],
)  # fmt: skip
def test_options_at_fault_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError, match=message):
        opened(**options)


def test_docker_secret_file_is_private_and_holds_the_value_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "token"
    store = opened(type="file", path=str(path))
    store.put_pending(Credential("value"), store.inspect())
    assert not path.exists()
    store.promote(store.inspect())
    assert path.read_text(encoding="utf-8") == "value"
    assert path.stat().st_mode & 0o777 == 0o400
    assert [p.stat().st_mode & 0o777 for p in path.parent.glob(".token.keelson.*")] == [0o600, 0o600]


def test_value_written_by_hand_is_current_and_becomes_previous(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("TOKEN=by-hand\n", encoding="utf-8")
    store = opened(type="env_file", path=str(path), key="TOKEN", companion="TOKEN_OTHER")
    store.put_pending(Credential("new"), store.inspect())
    assert path.read_text(encoding="utf-8") == "TOKEN=by-hand\nTOKEN_OTHER=new\n"
    store.promote(store.inspect())
    assert path.read_text(encoding="utf-8") == "TOKEN=new\nTOKEN_OTHER=by-hand\n"
    held = store.inspect()
    assert held.previous
    assert store.reveal(held.previous).value == "by-hand"
    store.drop_previous(held)
    assert path.read_text(encoding="utf-8") == "TOKEN=new\n"
    with pytest.raises(ConflictError):
        store.reveal(held.previous)


def test_change_by_hand_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first", encoding="utf-8")
    store = opened(type="file", path=str(path))
    store.put_pending(Credential("new"), store.inspect())
    seen = store.inspect()
    path.write_text("by hand", encoding="utf-8")
    os.utime(path, (0, 0))
    with pytest.raises(ConflictError):
        store.promote(seen)


def test_what_an_env_file_cannot_hold_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    store = opened(type="env_file", path=str(tmp_path / ".env"), key="KEY")
    with pytest.raises(OpsError, match="more than one line"):
        store.put_pending(Credential("a\nb"), store.inspect())
    assert list(tmp_path.iterdir()) == []


def test_damaged_state_is_said(tmp_path: Path) -> None:
    (tmp_path / ".token.keelson.json").write_text("{", encoding="utf-8")
    with pytest.raises(OpsError, match="is damaged"):
        opened(type="file", path=str(tmp_path / "token")).inspect()
