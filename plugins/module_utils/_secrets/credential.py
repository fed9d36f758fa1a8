# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that stores and targets exchange. No ``repr`` of them shows a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret and what belongs to it.

    ``value`` is the secret itself: a password, an HS256 key, a private key in PEM. ``attributes`` are not secret and
    kept beside it by the store where the user mapped them to keys: ``username`` of a login, ``key_id`` and
    ``public_key`` of a key pair. An attribute may be missing when the store does not keep it; the target then
    derives it or raises OpsError naming ``store.attribute_keys``.
    """

    value: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version that a store holds, without its value. ``id`` is the store's own, ``created`` aware and in UTC."""

    id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a store holds of one secret, by the three labels; None where no version has the label.

    ``pending`` exists from before the target is changed until it became current. It may be the same version as
    ``current``: a run was killed between the two label moves, or the store made the first version current by itself.
    ``previous`` exists from the moment a new version became current until the old one was revoked at the target.
    So the labels alone say what is left to do, on any host and without a journal.
    """

    current: SecretVersion | None = None
    pending: SecretVersion | None = None
    previous: SecretVersion | None = None


class Phase(Enum):
    """How far a rotation has come; each value is the last step that is known to be done."""

    PENDING = "pending"
    """The new secret is stored as pending; the target does not know it."""
    SET = "set"
    """The target accepts it."""
    TESTED = "tested"
    """It was seen to log in."""
    CURRENT = "current"
    """It is what a plain read of the store returns; the old one still works where the target can overlap."""
    APPLIED = "applied"
    """The application uses it and is healthy."""
    REVOKED = "revoked"
    """The old one does not work any more. Nothing is left to do."""
