# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What should be on the host, and how it travels there: one opaque string from the controller to the module."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from .._core.errors import OpsError

State = Literal["file", "directory", "absent"]


@dataclass(frozen=True, slots=True)
class DesiredFile:
    """One path of the host as it should be; ``content`` is bytes for a file and None otherwise.

    ``mode`` is the permission bits. ``set_name`` names the set it is validated with (None: alone).
    ``force`` False keeps the content of a file that exists already. ``diff`` False keeps its content out of a diff.
    """

    dest: str
    state: State = "file"
    content: bytes | None = field(default=None, repr=False)
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    validate: str | None = None
    set_name: str | None = None
    backup: bool = False
    secret: bool = False
    force: bool = True
    diff: bool = True


def encode(files: Iterable[DesiredFile]) -> str:
    """The one string that carries ``files`` to the module: base64 of compressed JSON."""
    entries = [
        {
            "dest": file.dest,
            "state": file.state,
            "content": None if file.content is None else file.content.decode("latin-1"),
            "owner": file.owner,
            "group": file.group,
            "mode": file.mode,
            "validate": file.validate,
            "set_name": file.set_name,
            "backup": file.backup,
            "secret": file.secret,
            "force": file.force,
            "diff": file.diff,
        }
        for file in files
    ]
    return base64.b64encode(zlib.compress(json.dumps(entries).encode())).decode()


def decode(text: str) -> tuple[DesiredFile, ...]:
    """The inverse of ``encode``. Raises OpsError for anything that ``encode`` did not make."""
    try:
        entries = json.loads(zlib.decompress(base64.b64decode(text, validate=True)))
        return tuple(_from_entry(entry) for entry in entries)
    except (binascii.Error, zlib.error, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise OpsError("option rendered is damaged; it is filled by the action plugin of this module and by nothing else")


def _from_entry(entry: dict[str, object]) -> DesiredFile:
    content = entry.pop("content")
    data = content.encode("latin-1") if isinstance(content, str) else None
    return DesiredFile(content=data, **entry)  # type: ignore[arg-type]
