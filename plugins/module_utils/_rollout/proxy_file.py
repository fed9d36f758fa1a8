# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that a proxy includes: replaced whole, and put back when the proxy refuses it."""

from __future__ import annotations

from pathlib import Path

from .._core.atomic import write_file
from .._core.errors import OpsError

READABLE = 0o644


def read_text(path: Path | None) -> str | None:
    """The text of a file; None without one. Raises OpsError when it is there and cannot be read."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"proxy: {path} cannot be read ({type(error).__name__})") from None


def put_text(path: Path | None, text: str | None) -> None:
    """Make the file hold ``text``, or not exist for None. Raises OpsError naming the option."""
    if path is None:
        return
    try:
        if text is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_file(path, text.encode(), mode=READABLE)
    except OSError as error:
        raise OpsError(f"proxy: file {path} cannot be written: {error.strerror}") from None
