# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers: what PostgreSQL stores of a password, made here so that the server never sees the password.

RFC 5802 (the mechanism), RFC 7677 (SHA-256), RFC 4013 (SASLprep). PostgreSQL's own form of it:
``SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096  # PostgreSQL's default
SALT_BYTES = 16
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores for ``password``; a new salt of 16 bytes unless given one."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def matches(password: str, stored: str) -> bool:
    """Whether ``stored`` is a verifier of ``password``; False too for what is no SCRAM-SHA-256 verifier."""
    try:
        mechanism, parameters, _keys = stored.split("$")
        iterations, salt = parameters.split(":")
        made = verifier(password, base64.b64decode(salt, validate=True), int(iterations))
    except ValueError:
        return False
    return mechanism == "SCRAM-SHA-256" and hmac.compare_digest(made, stored)


def prepared(password: str) -> str:
    """``password`` after SASLprep; as it is when it holds what SASLprep prohibits, which is what PostgreSQL does."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not normal or any(table(character) for character in normal for table in _PROHIBITED):
        return password
    if any(map(stringprep.in_table_d1, normal)) and (
        any(map(stringprep.in_table_d2, normal))
        or not (stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1]))
    ):
        return password
    return normal


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
