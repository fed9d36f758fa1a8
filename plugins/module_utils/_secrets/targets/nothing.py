# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No target: a secret that is only stored, and that its users read from there."""

from __future__ import annotations

from ..credential import Credential
from ..generate import Policy, generate


class StoredOnly:
    """Every value works, as far as anybody can say."""

    overlaps = True
    announce_seconds: float | None = None

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def propose(self, current: Credential | None) -> Credential:
        return Credential(generate(self._policy))

    def works(self, credential: Credential) -> bool:
        return bool(credential.value)

    def set(self, candidate: Credential, current: Credential | None) -> None: ...

    def revoke(self, retired: Credential, keep: Credential) -> None: ...

    def close(self) -> None: ...
