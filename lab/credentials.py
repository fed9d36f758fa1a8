# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's throw-away secrets: made once per lab, private, never the same on two machines."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

FILE = "secrets.json"
NAMES = (
    "postgres_password",
    "rotator_password",
    "exporter_password",
    "faults_token",
    "s3_access_key",
    "s3_secret_key",
    "pitr_cipher_pass",
)
LENGTH_BYTES = 48  # 64 characters, the longest minimum of any of them


def ensure_secrets(directory: Path) -> dict[str, str]:
    """The secrets kept in ``directory``, those that are missing made now."""
    path = directory / FILE
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if all(name in known for name in NAMES):
        return known
    known = {name: secrets.token_urlsafe(LENGTH_BYTES) for name in NAMES} | known
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(known, stream, indent=2)
    temporary.replace(path)
    return known
