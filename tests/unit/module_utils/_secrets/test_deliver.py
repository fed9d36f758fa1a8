# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for applications: templates, ownership, and that nothing is written when nothing differs."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.deliver import Known, deliver, parse_deliveries

KNOWN = {
    "db": Known(Credential("p/w 1", {"username": "shop_2"})),
    "jwt": Known(Credential("new-key"), Credential("old-key")),
    "redis": Known(Credential("cache-password")),
}


def delivered(folder: Path, **entry: Any) -> str:
    path = folder / "file"
    deliver(parse_deliveries([{"path": str(path), **entry}], list(KNOWN)), KNOWN)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("${redis}", "cache-password"),
        ("postgresql://${db.username}:${db.url}@db1/shop", "postgresql://shop_2:p%2Fw%201@db1/shop"),
        ("${jwt.value} ${jwt.other} [${redis.other}]", "new-key old-key []"),
        ("$${db} $db {db} ${ db}", "${db} $db {db} ${ db}"),
    ],
)
def test_templates(tmp_path: Path, template: str, result: str) -> None:
    assert delivered(tmp_path, content=template) == result


def test_env_files_leave_out_what_is_empty(tmp_path: Path) -> None:
    entries = {"JWT_SECRET": "${jwt}", "JWT_SECRET_PREVIOUS": "${jwt.other}", "REDIS_PREVIOUS": "${redis.other}"}
    assert delivered(tmp_path, entries=entries) == "JWT_SECRET=new-key\nJWT_SECRET_PREVIOUS=old-key\n"


def test_files_are_private_and_of_the_container_s_user(tmp_path: Path) -> None:
    delivered(tmp_path, content="${db}", owner=str(os.getuid()))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o400
    delivered(tmp_path, entries={"A": "${db}"})
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    raw = [{"path": str(tmp_path / name), "content": f"${{{name}}}"} for name in ("db", "redis")]
    deliveries = parse_deliveries(raw, list(KNOWN))
    assert len(deliver(deliveries, KNOWN)) == 2
    changed = KNOWN | {"db": Known(Credential("next"))}
    assert deliver(deliveries, changed) == [tmp_path / "db"]
    assert deliver(deliveries, changed) == []
    (tmp_path / "redis").chmod(0o644)
    assert deliver(deliveries, changed) == [tmp_path / "redis"]


def test_nothing_is_written_when_one_file_cannot_be_made(tmp_path: Path) -> None:
    raw = [{"path": str(tmp_path / "a"), "content": "${db}"}, {"path": str(tmp_path / "b"), "content": "${db.key_id}"}]
    with pytest.raises(OpsError, match="keeps no key_id of secret db"):
        deliver(parse_deliveries(raw, list(KNOWN)), KNOWN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "relative", "content": "x"}, "deliver[0].path"),
        ({"path": "/a"}, "exactly one of content and entries"),
        ({"path": "/a", "content": "x", "entries": {"A": "b"}}, "exactly one of content and entries"),
        ({"path": "/a", "content": "${nobody}"}, "deliver[0]: there is no secret nobody; there are db, jwt, redis"),
        ({"path": "/a", "content": "x", "mode": "rw"}, "deliver[0].mode"),
    ],
)
def test_wrong_options_are_named(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(OpsError, match=re.escape(words)):
        parse_deliveries([entry], list(KNOWN))
