# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets on this machine: commands and key sets."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import RejectedError

from .conftest import target

# A service with a password file: set, test and revoke as a person would write them. It refuses "short" ones.
SERVICE = """
import pathlib, sys
words = sys.stdin.read().split("\\n")
action, file = sys.argv[1], pathlib.Path(sys.argv[2])
known = file.read_text().split() if file.exists() else []
if action == "set":
    if len(words[0]) < 20:
        print("refused:", words[0], file=sys.stderr)
        sys.exit(65)
    file.write_text("\\n".join({*known, words[0]}))
elif action == "test":
    sys.exit(0 if words[0] in known else 1)
else:
    file.write_text("\\n".join(set(known) - {words[0]}))
"""


def service(folder: Path, **options: Any) -> dict[str, Any]:
    program = folder / "service.py"
    program.write_text(SERVICE, encoding="utf-8")
    commands = {name: [sys.executable, str(program), name, str(folder / "known")] for name in ("set", "test", "revoke")}
    return {"type": "command", "overlaps": True, **commands, **options}


def test_commands_read_secrets_from_standard_input(tmp_path: Path) -> None:
    device = target(**service(tmp_path))
    first = device.propose(None)
    device.set(first, None)
    second = device.propose(first)
    device.set(second, first)
    assert device.works(first) and device.works(second)
    device.revoke(first, second)
    assert (device.works(first), device.works(second)) == (False, True)


def test_a_refused_value_can_be_told_from_a_failure_and_is_not_shown(tmp_path: Path) -> None:
    device = target(**service(tmp_path))
    with pytest.raises(RejectedError) as raised:
        device.set(Credential("too-short-value"), None)
    assert "too-short" not in raised.value.message
    with pytest.raises(OpsError) as failed:
        target(**service(tmp_path, set=["false"])).set(Credential("x" * 30), None)
    assert not isinstance(failed.value, RejectedError)
    assert "exit code 1" in failed.value.message


@pytest.mark.parametrize("test", [["sh", "-c", "exit 3"], ["/nonexistent/program"], ["sleep", "60"]])
def test_a_test_that_could_not_be_made_is_no_verdict(tmp_path: Path, test: list[str]) -> None:
    with pytest.raises(OpsError):
        target(**service(tmp_path, test=test, timeout=1)).works(Credential("some-secret"))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_pair_is_published_before_it_is_used_and_until_it_is_revoked(tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "jwks.json"
    signer = target(type="jwt", algorithm=algorithm, jwks_file=str(file), cache_seconds=2)
    assert signer.announce_seconds == 2
    first = signer.propose(None)
    signer.set(first, None)
    second = signer.propose(first)
    assert not signer.works(second)
    signer.set(second, first)
    assert signer.works(first) and signer.works(second)
    keys = json.loads(file.read_text(encoding="utf-8"))["keys"]
    assert [key["kid"] for key in keys] == [first.attributes["key_id"], second.attributes["key_id"]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert verified(tmp_path, second, keys[1], algorithm)
    assert not verified(tmp_path, second, keys[0], algorithm)
    signer.revoke(first, second)
    assert (signer.works(first), signer.works(second)) == (False, True)
    assert not signer.works(Credential("not a key"))


def verified(folder: Path, private: Credential, key: dict[str, str], algorithm: str) -> bool:
    """Whether a signature of the private key is good for the published key, by another implementation."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: PLC0415

    signer: Any = serialization.load_pem_private_key(private.value.encode(), None)

    def number(name: str) -> int:
        return int.from_bytes(octets(name), "big")

    def octets(name: str) -> bytes:
        return base64.urlsafe_b64decode(key[name] + "==")

    message, sha = b"header.payload", hashes.SHA256()
    try:
        if algorithm == "RS256":
            public = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
            public.verify(signer.sign(message, padding.PKCS1v15(), sha), message, padding.PKCS1v15(), sha)
        elif algorithm == "ES256":
            point = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
            point.verify(signer.sign(message, ec.ECDSA(sha)), message, ec.ECDSA(sha))
        else:
            ed25519.Ed25519PublicKey.from_public_bytes(octets("x")).verify(signer.sign(message), message)
    except InvalidSignature:
        return False
    return True


def test_private_keys_are_never_on_a_command_line(tmp_path: Path) -> None:
    trace = tmp_path / "openssl"
    real = subprocess.run(["sh", "-c", "command -v openssl"], capture_output=True, text=True, check=True).stdout.strip()
    trace.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nexec {real} "$@"\n', encoding="utf-8")
    trace.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path), prepend=":")
        signer = target(type="jwt", algorithm="EdDSA", jwks_file=str(tmp_path / "jwks.json"))
        made = signer.propose(None)
        signer.set(made, None)
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8")
    assert "genpkey" in arguments
    body = made.value.splitlines()[1]
    assert body not in arguments
    assert [path.name for path in tmp_path.iterdir() if body in path.read_text(encoding="utf-8")] == []
