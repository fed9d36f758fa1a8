# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that sign tokens: known to who verifies before the first token is signed with them, and after the last.

An HS256 secret opens no server: the application that reads it is the target, so all that is done here is to make the
value and to have it announced. A key pair is published as a JSON Web Key Set (RFC 7517), the new key beside the old.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..._core.atomic import write_file
from ..._core.command import Runner
from ..._core.errors import OpsError
from ..credential import Credential
from ..generate import Policy, generate
from ..keys import GENERATE, NotAKeyError, PublicKey, new_private_key, public_key

SYMMETRIC = ("HS256", "HS384", "HS512")
ALGORITHMS = (*SYMMETRIC, *GENERATE)
CACHE_SECONDS = 300.0


def open_jwt(options: Mapping[str, Any], policy: Policy, where: str, runner: Runner) -> SharedSecret | KeyPair:
    """The target of the options. Raises OpsError naming a missing or wrong one."""
    algorithm, file, cache = options["algorithm"], options["jwks_file"], options["cache_seconds"]
    if cache is not None and cache < 0:
        raise OpsError(f"{where}.cache_seconds: must be 0 or more")
    if algorithm in SYMMETRIC:
        if file:
            raise OpsError(f"{where}.jwks_file: {algorithm} has no public key that could be published")
        return SharedSecret(policy, cache or 0.0)
    if not file:
        raise OpsError(f"{where}.jwks_file: is required for {algorithm}")
    return KeyPair(algorithm, Path(file), CACHE_SECONDS if cache is None else cache, runner)


class SharedSecret:
    """One value signs and verifies. Nobody but the application can say whether it works."""

    overlaps = True

    def __init__(self, policy: Policy, announce_seconds: float) -> None:
        self._policy = policy
        self.announce_seconds: float | None = announce_seconds

    def propose(self, current: Credential | None) -> Credential:
        return Credential(generate(self._policy))

    def works(self, credential: Credential) -> bool:
        return bool(credential.value)

    def set(self, candidate: Credential, current: Credential | None) -> None: ...

    def revoke(self, retired: Credential, keep: Credential) -> None: ...

    def close(self) -> None: ...


class KeyPair:
    """The private key is the secret; its public half stands in a key set that verifiers fetch and cache."""

    overlaps = True

    def __init__(self, algorithm: str, file: Path, announce_seconds: float, runner: Runner) -> None:
        self.announce_seconds: float | None = announce_seconds
        self._algorithm = algorithm
        self._file = file
        self._runner = runner

    def propose(self, current: Credential | None) -> Credential:
        private = new_private_key(self._algorithm, self._runner)
        public = self._public(private)
        return Credential(private, {"key_id": public.key_id, "public_key": public.pem})

    def works(self, credential: Credential) -> bool:
        try:
            public = self._public(credential.value)
        except NotAKeyError:
            return False
        return public.jwk in self._published()

    def set(self, candidate: Credential, current: Credential | None) -> None:
        self._publish(*(credential for credential in (current, candidate) if credential is not None))

    def revoke(self, retired: Credential, keep: Credential) -> None:
        self._publish(keep)

    def close(self) -> None: ...

    def _public(self, private: str) -> PublicKey:
        return public_key(private, self._algorithm, self._runner)

    def _published(self) -> list[dict[str, str]]:
        try:
            keys = json.loads(self._file.read_text(encoding="utf-8"))["keys"]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise OpsError(f"{self._file}: cannot be read as a key set ({type(error).__name__})") from None
        return list(keys)

    def _publish(self, *credentials: Credential) -> None:
        keys = [dict(self._public(credential.value).jwk) for credential in credentials]
        if keys == self._published():
            return
        try:
            write_file(self._file, (json.dumps({"keys": keys}, indent=1) + "\n").encode(), mode=0o644)
        except OSError as error:
            raise OpsError(f"{self._file}: cannot be written ({error.strerror})") from None
