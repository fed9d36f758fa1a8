# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs for signed tokens, made and read by the program openssl; a private key is only ever on its pipes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from .._core.command import Command, Runner
from .._core.errors import OpsError

GENERATE: Mapping[str, tuple[str, ...]] = {
    "RS256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "ES256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "EdDSA": ("-algorithm", "ED25519"),
}
SECONDS = 60.0
_SEQUENCE, _INTEGER, _BITS = 0x30, 0x02, 0x03
_POINT_BYTES = 64
_ED25519_BYTES = 32


class NotAKeyError(OpsError):
    """The text is no private key of the algorithm."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half: as ``pem``, as JSON Web Key with its ``key_id`` (the thumbprint of RFC 7638)."""

    pem: str
    jwk: Mapping[str, str]

    @property
    def key_id(self) -> str:
        return self.jwk["kid"]


def new_private_key(algorithm: str, runner: Runner) -> str:
    """A private key as PEM (PKCS #8). Raises CommandFailed."""
    return runner.run(Command(("openssl", "genpkey", *GENERATE[algorithm])), timeout=SECONDS).stdout


def public_key(private: str, algorithm: str, runner: Runner) -> PublicKey:
    """The public half of a PEM private key. Raises NotAKeyError, CommandFailed without openssl."""
    argv = ("openssl", "pkey", "-pubout")
    done = runner.run(Command(argv, stdin=private.encode(), secrets=(private,)), timeout=SECONDS, check=False)
    try:
        der = base64.b64decode("".join(line for line in done.stdout.split("\n") if not line.startswith("-----")))
        jwk = jwk_of(der, algorithm)
    except (ValueError, IndexError):
        raise NotAKeyError(f"the secret is not a private key for {algorithm}") from None
    return PublicKey(done.stdout, jwk)


def jwk_of(der: bytes, algorithm: str) -> dict[str, str]:
    """The JSON Web Key of a SubjectPublicKeyInfo. Raises ValueError or IndexError for what is none of ``algorithm``."""
    outer, _rest = _element(der, _SEQUENCE)
    _kind, rest = _element(outer, _SEQUENCE)
    bits, _rest = _element(rest, _BITS)
    content = bits[1:]
    if algorithm == "RS256":
        numbers, _rest = _element(content, _SEQUENCE)
        modulus, rest = _element(numbers, _INTEGER)
        exponent, _rest = _element(rest, _INTEGER)
        needed = {"e": _text(exponent.lstrip(b"\0")), "kty": "RSA", "n": _text(modulus.lstrip(b"\0"))}
    elif algorithm == "ES256":
        if len(content) != _POINT_BYTES + 1 or content[0] != 4:
            raise ValueError("no uncompressed point of P-256")
        half = _POINT_BYTES // 2
        needed = {"crv": "P-256", "kty": "EC", "x": _text(content[1 : half + 1]), "y": _text(content[half + 1 :])}
    else:
        if len(content) != _ED25519_BYTES:
            raise ValueError("no key of Ed25519")
        needed = {"crv": "Ed25519", "kty": "OKP", "x": _text(content)}
    canonical = json.dumps(needed, separators=(",", ":"), sort_keys=True)
    key_id = _text(hashlib.sha256(canonical.encode()).digest())
    return {**needed, "alg": algorithm, "use": "sig", "kid": key_id}


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the element at the beginning of ``der``, and what follows it."""
    if der[0] != tag:
        raise ValueError("not the expected element")
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("cut short")
    return der[start : start + length], der[start + length :]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
