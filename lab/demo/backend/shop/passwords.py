# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords as the database keeps them: scrypt with a salt for each."""

from __future__ import annotations

import base64
import hashlib
import hmac

WORK = 2**12


def hash_password(password: str, salt: bytes) -> str:
    """What the database keeps of ``password``."""
    digest = hashlib.scrypt(password.encode(), salt=salt, n=WORK, r=8, p=1)
    return f"{base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def password_matches(password: str, kept: str) -> bool:
    """Whether ``kept`` was made from ``password``."""
    try:
        salt = base64.b64decode(kept.split("$", maxsplit=1)[0], validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(hash_password(password, salt), kept)
