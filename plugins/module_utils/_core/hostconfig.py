# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which roles describe a host's scheduled work: one JSON object a name, in a folder of their kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import OpsError


def configured(directory: Path) -> list[str]:
    """The names that have a file in ``directory``."""
    return sorted(path.stem for path in directory.glob("*.json"))


def only_one(directory: Path, what: str) -> str:
    """The name of the one ``what`` of this host. Raises OpsError when there are several or none."""
    known = configured(directory)
    if len(known) != 1:
        raise OpsError(f"name the {what}; configured here: {', '.join(known) or 'none'}")
    return known[0]


def read(name: str, directory: Path, what: str, *, private: bool) -> dict[str, Any]:
    """The options that the role wrote for the ``what`` of this name.

    With ``private`` the file may hold secrets. Raises OpsError when it is not there, readable by others, or damaged.
    """
    path = directory / f"{name}.json"
    try:
        text = path.read_text(encoding="utf-8")
        shared = path.stat().st_mode & 0o077
    except FileNotFoundError:
        known = ", ".join(configured(directory)) or "none"
        raise OpsError(f"no {what} is configured as {name!r} in {directory} (there: {known})") from None
    except PermissionError:
        raise OpsError(f"{path} is not readable for this user; run this as root") from None
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{path} cannot be read ({type(error).__name__})") from None
    if private and shared:
        raise OpsError(f"{path} can be read by others although it may hold secrets; chmod 0600 it")
    try:
        options = json.loads(text)
    except ValueError as error:
        raise OpsError(f"{path} is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise OpsError(f"{path} holds no JSON object")
    return options
