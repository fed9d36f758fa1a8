# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gpg keys a backup may be encrypted for, from what gpg says of them."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.encryption import fingerprint_of
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def listing(kind: str = "pub", validity: str = "-", capabilities: str = "scESC") -> str:
    """What ``gpg --with-colons --show-keys`` prints for a key with a subkey."""
    return (
        f"{kind}:{validity}:255:22:89ABCDEF01234567:1700000000:::-:::{capabilities}:::::ed25519:::0:\n"
        f"fpr:::::::::{FINGERPRINT}:\n"
        "uid:-::::1700000000::AA::backup <b@example.org>::::::::::0:\n"
        "sub:-:255:18:76543210FEDCBA98:1700000000::::::e:::::cv25519::\n"
        f"fpr:::::::::{FINGERPRINT[::-1]}:\n"
    )


def test_the_primary_keys_fingerprint_is_what_counts() -> None:
    assert fingerprint_of(listing(), 1) == FINGERPRINT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not one ASCII-armored public key"),
        (listing() + listing(), "not one"),
        (listing(kind="sec"), "is a secret key"),
        (listing(validity="e"), "expired"),
        (listing(validity="r"), "revoked"),
        (listing(capabilities="scSC"), "no key for encryption"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(OpsError, match=f"key 2.*{words}"):
        fingerprint_of(text, 2)
