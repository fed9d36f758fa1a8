# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks of stores and targets. Both may be killed at any point; every call can be made again."""

from __future__ import annotations

from typing import Protocol

from .._core.errors import OpsError
from .credential import Credential, Holdings, SecretVersion


class RejectedError(OpsError):
    """The target refuses this very value, by its password policy for example; another value may be accepted.

    Raised by ``Target.set`` only, and only when the target is as it was. The message holds no secret.
    """


class ConflictError(OpsError):
    """The store does not hold what was seen before: another rotator was there. Look again and decide anew."""


class Store(Protocol):
    """Where one secret is kept. Writes are conditional on ``seen``, the holdings that the decision was made from.

    Each write raises ConflictError when the store has moved on in a way that makes it wrong, does nothing when its
    effect is there already, and otherwise raises OpsError naming the option to fix. No message holds a secret.
    """

    def inspect(self) -> Holdings:
        """The labels and ages, without reading any value. Empty holdings when the secret does not exist."""

    def reveal(self, version: SecretVersion) -> Credential:
        """The value of a version that ``inspect`` named.

        Raises ConflictError when it is there no more, and for a pending version that cannot become current because
        something else did: that one is only to be dropped.
        """

    def put_pending(self, credential: Credential, seen: Holdings) -> SecretVersion:
        """Keep ``credential`` durably as pending, creating the secret when there is none. ``current`` stays.

        A plain read of the store never returns a pending value. Raises ConflictError when ``seen`` has no pending
        version and the store has one by now.
        """

    def promote(self, seen: Holdings) -> None:
        """Make ``seen.pending`` current and ``seen.current``, if any, previous; nothing is pending afterwards."""

    def restore(self, seen: Holdings) -> None:
        """Swap: make ``seen.previous`` current again and ``seen.current`` previous."""

    def restored_id(self, seen: Holdings) -> str:
        """The id that ``current`` will have after ``restore`` of what was seen; reads nothing."""

    def drop_pending(self, seen: Holdings) -> None:
        """Forget ``seen.pending``, or only its label when it is the current version as well."""

    def drop_previous(self, seen: Holdings) -> None:
        """Take the label off ``seen.previous``: it was revoked. What it was need not be readable afterwards."""

    def close(self) -> None:
        """Release connections. Never raises."""


class Target(Protocol):
    """What the secret opens. Calls come from one thread; servers may be slow, so every call has its own time limit.

    All messages of errors are free of secrets. OpsError from any call means "not known or not done, try later": the
    engine stops there with everything as it is, and the next run goes on.
    """

    @property
    def overlaps(self) -> bool:
        """Whether the old and the new secret work at the same time.

        When not (``single``), ``set`` ends the old one, and going back means ``set`` of the old one.
        """

    @property
    def announce_seconds(self) -> float | None:
        """None for most. Otherwise consumers have to know a secret before it becomes current (keys that verify tokens).

        The engine then hands over to the application after ``set`` as well, and waits this long before ``promote``:
        the time for which verifiers may cache what was published.
        """

    def propose(self, current: Credential | None) -> Credential:
        """A new credential: a fresh value by the policy, with its attributes (the other user, a new key id).

        ``current`` is None for the very first. Changes nothing. Raises OpsError for a policy that cannot be met.
        """

    def works(self, credential: Credential) -> bool:
        """Whether this very credential opens the target now, by using it as the application does.

        False only when the target said no (wrong password, unknown user, login as somebody else). Raises OpsError when
        that is not known: unreachable, overloaded, time limit.
        """

    def set(self, candidate: Credential, current: Credential | None) -> None:
        """Make the target accept ``candidate``. Where it ``overlaps``, ``current`` works on.

        ``current`` is what the store calls current, None for the very first; it may be needed to log in. Raises
        RejectedError when another value may do.
        """

    def revoke(self, retired: Credential, keep: Credential) -> None:
        """Make the target refuse ``retired`` and everything else but ``keep``, which works before and after.

        Called after overlap and health checks, and for a candidate that is given up. Nothing to do when ``set`` of
        ``keep`` ended it already.
        """

    def close(self) -> None:
        """Release connections. Never raises."""
