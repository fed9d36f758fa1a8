# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller packs is what the module unpacks."""

from __future__ import annotations

import base64
import zlib

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile, decode, encode


def test_survives_the_journey() -> None:
    files = (
        DesiredFile("/etc/a", content=bytes(range(256)), owner="app", mode=0o4750, validate="check %s", set_name="s"),
        DesiredFile("/etc/b", "directory", mode=0o755),
        DesiredFile("/etc/c", "absent"),
        DesiredFile("/etc/d", content=b"", backup=True, secret=True, force=False),
    )
    assert decode(encode(files)) == files


def test_content_is_in_no_representation() -> None:
    assert "hunter2" not in repr(DesiredFile("/etc/a", content=b"hunter2"))
    assert "hunter2" not in encode([DesiredFile("/etc/a", content=b"hunter2")])


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        base64.b64encode(b"not compressed").decode(),
        base64.b64encode(zlib.compress(b"not json")).decode(),
        base64.b64encode(zlib.compress(b'[{"dest": "/a"}]')).decode(),
        base64.b64encode(zlib.compress(b'[{"content": null, "unknown": 1}]')).decode(),
        base64.b64encode(zlib.compress(b"[1]")).decode(),
    ],
)
def test_anything_else_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(OpsError, match="option rendered is damaged") as caught:
        decode(text)
    assert caught.value.__context__ is None
