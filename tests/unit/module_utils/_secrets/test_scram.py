# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM verifiers against the example of RFC 7677 and against what PostgreSQL 17 made of the same passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._secrets.scram import matches, prepared, verifier

# RFC 7677, section 3: user "user", password "pencil".
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
AUTH_MESSAGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
CLIENT_PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_rfc_7677_example() -> None:
    made = verifier("pencil", base64.b64decode(SALT))
    head, keys = made.rsplit("$", 1)
    assert head == f"SCRAM-SHA-256$4096:{SALT}"
    stored_key, server_key = (base64.b64decode(key) for key in keys.split(":"))
    client_signature = hmac.digest(stored_key, AUTH_MESSAGE.encode(), "sha256")
    client_key = bytes(a ^ b for a, b in zip(base64.b64decode(CLIENT_PROOF), client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key
    assert hmac.digest(server_key, AUTH_MESSAGE.encode(), "sha256") == base64.b64decode(SERVER_SIGNATURE)


def test_a_verifier_matches_its_password_only_and_is_salted() -> None:
    made = verifier("pencil")
    assert made != verifier("pencil")
    assert matches("pencil", made)
    assert not matches("pencils", made)


@pytest.mark.parametrize(
    "stored", ["", "md5b2d8", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$x:y$z:z", "SCRAM-SHA-1$1:YQ==$a:b"]
)
def test_what_is_no_verifier_matches_nothing(stored: str) -> None:
    assert not matches("pencil", stored)


@pytest.mark.parametrize(
    ("password", "result"),
    [
        ("I\u00adX", "IX"),  # RFC 4013, section 3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", "\u0007"),  # prohibited: PostgreSQL takes the password as it is
        ("\u0627\u0031", "\u0627\u0031"),
        ("a\u00a0b", "a b"),
    ],
)
def test_saslprep(password: str, result: str) -> None:
    assert prepared(password) == result
