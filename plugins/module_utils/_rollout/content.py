# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of the files behind secrets and configs, which Compose's own hash does not cover."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._core.errors import OpsError
from .project import Content


def contents_of(resolved: Mapping[str, Any], sources: Iterable[Path]) -> dict[str, Content]:
    """The content of every service. ``sources`` are the Compose files, which hold inline configs.

    Raises OpsError naming the secret or config whose file cannot be read.
    """
    edited = max((path.stat().st_mtime for path in sources if path.exists()), default=0.0)
    return {name: _content(resolved, spec, edited) for name, spec in (resolved.get("services") or {}).items()}


def secret_files(resolved: Mapping[str, Any]) -> list[Path]:
    """The files whose text must not be shown."""
    return [Path(spec["file"]) for spec in (resolved.get("secrets") or {}).values() if spec and spec.get("file")]


def _content(resolved: Mapping[str, Any], service: Mapping[str, Any], edited: float) -> Content:
    digest = hashlib.sha256()
    changed_at = 0.0
    for kind in ("secrets", "configs"):
        for use in service.get(kind) or ():
            definition = (resolved.get(kind) or {}).get(use["source"]) or {}
            digest.update(json.dumps([kind, use["source"], definition], sort_keys=True).encode())
            if "file" in definition:
                data, modified = _read(kind, use["source"], Path(definition["file"]))
                digest.update(hashlib.sha256(data).digest())
                changed_at = max(changed_at, modified)
            elif "content" in definition:
                changed_at = max(changed_at, edited)
    if not changed_at and not service.get("secrets") and not service.get("configs"):
        return Content()
    return Content(digest.hexdigest(), changed_at)


def _read(kind: str, name: str, path: Path) -> tuple[bytes, float]:
    try:
        if path.is_dir():
            entries = sorted(entry for entry in path.rglob("*") if entry.is_file())
            data = b"".join(str(e.relative_to(path)).encode() + b"\0" + e.read_bytes() for e in entries)
            return data, max((entry.stat().st_mtime for entry in entries), default=path.stat().st_mtime)
        return path.read_bytes(), path.stat().st_mtime
    except OSError as error:
        raise OpsError(f"{kind}: file of {name} cannot be read: {path}: {error.strerror}") from None
