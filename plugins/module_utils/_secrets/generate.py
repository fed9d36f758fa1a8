# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New secrets: which length and alphabet a type takes, how much chance has to be in it, and where chance comes from."""

from __future__ import annotations

import math
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OpsError

ALPHABETS: Mapping[str, str] = {
    "url_safe": string.ascii_letters + string.digits + "-_",
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "digits": string.digits,
}
LONGEST = 4096
_ENTROPY = 128.0
_ENTROPY_JWT = 256.0  # RFC 7518 3.2: a key of HS256 has at least as many bits as the hash

Choose = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Policy:
    """How a value is made: ``length`` characters, each one of ``alphabet`` (its characters, not its name)."""

    length: int
    alphabet: str

    @property
    def entropy(self) -> float:
        """Bits of chance in a value."""
        return self.length * math.log2(len(self.alphabet))


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a type asks for: ``length`` in characters, ``entropy`` in bits."""

    length: int
    entropy: float


MINIMUMS: Mapping[str, Minimum] = {
    "postgres": Minimum(16, _ENTROPY),
    "redis": Minimum(16, _ENTROPY),
    "jwt": Minimum(64, _ENTROPY_JWT),
    "command": Minimum(8, 0.0),  # a device that takes 10 characters is a fact that no policy changes
    "none": Minimum(16, _ENTROPY),
}
_LENGTH = 40
_LENGTHS = {"jwt": 64}


def policy_for(kind: str, options: Mapping[str, Any] | None = None, where: str = "policy") -> Policy:
    """The policy of a type of target with what ``options`` (``length``, ``alphabet``) change of it.

    ``alphabet`` is a name of ALPHABETS or the characters themselves; ``where`` names the option in messages.
    Raises OpsError for a policy that is weaker than the type's minimum.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    length = int(given.get("length", _LENGTHS.get(kind, _LENGTH)))
    name = str(given.get("alphabet", "url_safe"))
    alphabet = ALPHABETS.get(name) or "".join(dict.fromkeys(name))
    if len(alphabet) < 2 or any(not " " < character <= "~" for character in alphabet):
        raise OpsError(
            f"{where}.alphabet: one of {', '.join(ALPHABETS)}, or at least two printable ASCII characters without space"
        )
    policy = Policy(length, alphabet)
    minimum = MINIMUMS[kind]
    if not minimum.length <= length <= LONGEST:
        raise OpsError(f"{where}.length: {length}, allowed for {kind} are {minimum.length} to {LONGEST} characters")
    if policy.entropy < minimum.entropy:
        needed = math.ceil(minimum.entropy / math.log2(len(alphabet)))
        raise OpsError(
            f"{where}: {length} of {len(alphabet)} different characters hold {policy.entropy:.0f} bits of chance, "
            f"{kind} needs {minimum.entropy:.0f}; give a length of {needed} or more"
        )
    return policy


def generate(policy: Policy, choose: Choose = secrets.choice) -> str:
    """A new value from the system's random number generator; it begins with a letter or digit where it can.

    A value that began with ``-`` would be an option to many programs that it is handed to.
    """
    first = [character for character in policy.alphabet if character.isalnum()] or policy.alphabet
    return choose(first) + "".join(choose(policy.alphabet) for _place in range(policy.length - 1))
