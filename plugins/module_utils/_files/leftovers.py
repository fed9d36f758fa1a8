# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the files that exist only while a call runs, and the removal of those that a killed run left."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

STALE_SECONDS = 600.0
STAGED_PREFIX = "keelson-staged-"
_BESIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.(tmp|saved)")
_STAGED = re.compile(re.escape(STAGED_PREFIX) + r"(?P<pid>\d+)-.+")


def second_name(path: Path) -> Path:
    """A free name beside ``path``, hidden from directory globs."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.saved")


def sweep_beside(paths: Iterable[str], now: float) -> list[Path]:
    """Remove temporary and saved files of ``paths`` older than ten minutes at ``now`` (seconds since the epoch)."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(Path(path).parent, set()).add(Path(path).name)
    swept = []
    for directory, known in names.items():
        with suppress(OSError):
            for found in directory.iterdir():
                match = _BESIDE.fullmatch(found.name)
                if match and match["name"] in known and found.lstat().st_ctime < now - STALE_SECONDS:
                    found.unlink()
                    swept.append(found)
    return swept


def sweep_staged(base: Path) -> list[Path]:
    """Remove staging directories of this user below ``base`` whose process is gone."""
    swept = []
    with suppress(OSError):
        for found in base.iterdir():
            match = _STAGED.fullmatch(found.name)
            if match and found.lstat().st_uid == os.geteuid() and not Path("/proc", match["pid"]).exists():
                shutil.rmtree(found, ignore_errors=True)
                swept.append(found)
    return swept
