# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that their host cannot read: by age and by gpg, with the key, without it and with a wrong one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from .conftest import Bucket, Place, Server
from .test_faults import nothing_new


@dataclass(frozen=True)
class Key:
    """``public`` are the options that encrypt for it, ``secret`` the file that decrypts."""

    public: dict[str, Any]
    secret: Path


def age_key(folder: Path) -> Key:
    secret = folder / "age.txt"
    made = subprocess.run(["age-keygen", "-o", str(secret)], check=True, capture_output=True, text=True)
    return Key({"encryption_recipients": [made.stderr.split()[-1]]}, secret)


def gpg_key(folder: Path, *, passphrase: str = "", expires: str = "never") -> Key:
    home = folder / "g"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase]
    try:
        make = ["--quick-generate-key", "backup <b@example.org>", "future-default", "default", expires]
        subprocess.run([*gpg, *make], check=True, capture_output=True)
        public = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
        secret = folder / "gpg.asc"
        secret.write_bytes(subprocess.run([*gpg, "--export-secret-keys"], check=True, capture_output=True).stdout)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return Key({"encryption_gpg_keys": [public]}, secret)


def folder_of(place: Place, name: str) -> Path:
    folder = place.folder / name
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("make", "suffix"), [(age_key, "age"), (gpg_key, "gpg")])
def test_an_encrypted_backup_needs_its_key(
    server: Server, bucket: Bucket, place: Place, make: Callable[[Path], Key], suffix: str
) -> None:
    key, wrong = make(folder_of(place, "k")), make(folder_of(place, "w"))
    user_keys = {path: path.stat().st_mtime for path in Path.home().glob(".gnupg/**/*")}
    taking.take(place.open(**key.public))
    (manifest,) = place.manifests()
    assert sorted(path.name for path in manifest.parent.iterdir()) == [
        f"dump.zst.{suffix}",
        f"globals.sql.zst.{suffix}",
        "manifest.json",
    ]

    blind = place.open()
    (first, second) = verifying.verify(blind, verifying.select(blind, ["shop"], "latest"), "read")
    assert (first.level, first.fault, second.fault) == ("sha256", None, None)
    with pytest.raises(OpsError, match="decryption_identity"):
        drilling.drill(blind, "shop")

    before = server.databases()
    deceived = place.open(decryption_identity=str(wrong.secret))
    (first, _) = verifying.verify(deceived, verifying.select(deceived, ["shop"], "latest"), "read")
    assert (first.damaged, first.fault is None) == (False, False)
    with pytest.raises(OpsError):
        drilling.drill(deceived, "shop")
    assert server.databases() == before

    seeing = place.open(decryption_identity=str(key.secret))
    (first, second) = verifying.verify(seeing, verifying.select(seeing, ["shop"], "latest"), "read")
    assert (first.level, first.fault, second.fault) == ("read", None, None)
    assert drilling.drill(seeing, "shop").rows == 20002
    # The user's own keyring is not touched, and no keyring or agent of ours is left.
    assert {path: path.stat().st_mtime for path in Path.home().glob(".gnupg/**/*")} == user_keys
    assert list(Path("/dev/shm").glob("keelson-gpg-*")) == []
    assert [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"keelson-gpg-" in _read(p)] == []


def test_a_gpg_key_with_a_passphrase(place: Place) -> None:
    key = gpg_key(folder_of(place, "k"), passphrase="CANARY-passphrase")
    taking.take(place.open(**key.public))
    locked = place.open(decryption_identity=str(key.secret))
    (first, _) = verifying.verify(locked, verifying.select(locked, ["shop"], "latest"), "hash")
    assert (first.fault is None, first.damaged) == (False, False)
    passphrase = place.folder / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text("CANARY-passphrase\n", encoding="utf-8")
    opened = place.open(decryption_identity=str(key.secret), decryption_passphrase_file=str(passphrase))
    (first, second) = verifying.verify(opened, verifying.select(opened, ["shop"], "latest"), "hash")
    assert (first.level, first.fault, second.fault) == ("hash", None, None)


def test_a_key_that_cannot_be_used_is_told_before_anything_is_stored(bucket: Bucket, place: Place) -> None:
    key = gpg_key(folder_of(place, "k"))
    secret = subprocess.run(
        ["gpg", "--enarmor"], input=key.secret.read_bytes(), check=True, capture_output=True, env=_elsewhere(place)
    ).stdout.decode()
    secret = secret.replace("PGP ARMORED FILE", "PGP PRIVATE KEY BLOCK")
    for wrong, words in (("no key", "not one ASCII-armored public key"), (secret, "is a secret key")):
        with pytest.raises(OpsError, match=words):
            taking.take(place.open(encryption_gpg_keys=[wrong]))
    nothing_new(place, bucket, [])


def _elsewhere(place: Place) -> dict[str, str]:
    home = folder_of(place, "home")
    home.chmod(0o700)
    return {**os.environ, "GNUPGHOME": str(home)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
