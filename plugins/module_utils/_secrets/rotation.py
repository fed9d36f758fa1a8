# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One secret on its way from pending to revoked. Each step first looks at what is there, so each can be made again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._core.clock import Clock
from .._core.errors import OpsError
from .credential import Credential, Holdings, Phase, SecretVersion
from .plan import Decision, Wish, decide
from .ports import ConflictError, RejectedError, Store, Target
from .trail import Trail

CONFLICTS = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``test_timeout`` in seconds; ``rejections`` is how many values the target may refuse."""

    test_timeout: float = 60.0
    rejections: int = 5


class Rotation:
    """The steps of one secret; the caller orders them and holds the lock."""

    def __init__(
        self, name: str, wish: Wish, *, store: Store, target: Target, trail: Trail, clock: Clock, limits: Limits
    ) -> None:
        self.name = name
        self.wish = wish
        self.target = target
        self.trail = trail
        self._store = store
        self._clock = clock
        self._limits = limits

    def look(self) -> tuple[Holdings, Decision]:
        """What is there and what to do. Reads no value and writes nothing."""
        holdings = self._store.inspect()
        return holdings, decide(holdings, self.wish, self.trail.memory(holdings), self._clock.now())

    def look_with(self, wish: Wish) -> Decision:
        """What another wish would mean now."""
        holdings = self._store.inspect()
        return decide(holdings, wish, self.trail.memory(holdings), self._clock.now())

    def prepare(self, decided: Holdings) -> None:
        """Until a pending version is stored, set at the target and tested. Ends with it pending still.

        ``decided`` is what the decision was made from. When another rotator has ended the rotation since then, nothing
        is left to prepare and nothing is pending. Raises OpsError: the current secret works as before, except that one
        which cannot overlap may be set already; the next run goes on from there.
        """
        for _unused in range(CONFLICTS):
            try:
                self._prepare(decided)
            except ConflictError:
                self._clock.sleep(FIRST_PAUSE)
            else:
                return
        raise OpsError(f"{self.name}: another rotator is at work on the same secret; run again when it has ended")

    def promote(self) -> None:
        """Make the tested version current."""
        seen = self._store.inspect()
        if seen.pending is None:
            return
        self._store.promote(seen)
        self.trail.tell(seen.pending.id, Phase.CURRENT)

    def applied(self) -> None:
        """The application uses the current version and is healthy, as far as could be checked."""
        current = self._store.inspect().current
        if current:
            self.trail.tell(current.id, Phase.APPLIED)

    def adopt(self, credential: Credential) -> None:
        """Store a secret that is in use already. Raises OpsError when the target does not know it."""
        if not self.target.works(credential):
            raise OpsError(f"{self.name}: the secret given as initial does not work; give the one in use, or none")
        seen = self._store.inspect()
        if seen.current is None and seen.pending is None:
            self._store.put_pending(credential, seen)
            self._store.promote(self._store.inspect())

    def revoke(self) -> None:
        """End the previous version, after a look that the current one works."""
        seen = self._store.inspect()
        if seen.current is None or seen.previous is None:
            return
        if seen.current.id != seen.previous.id:
            current, previous = self._store.reveal(seen.current), self._if_there(seen.previous)
            if previous is not None:
                self._make_work(current, previous)
                self.target.revoke(previous, current)
        self._store.drop_previous(seen)
        self.trail.tell(seen.current.id, Phase.REVOKED)

    def go_back(self) -> bool:
        """Make the previous version current again. False when there is none. The other one is revoked later."""
        seen = self._store.inspect()
        if seen.current is None or seen.previous is None:
            return False
        if seen.pending and seen.pending.id == seen.current.id:
            self._store.drop_pending(seen)
        current, previous = self._store.reveal(seen.current), self._store.reveal(seen.previous)
        self._make_work(previous, current)
        self.trail.tell_restored(self._store.restored_id(seen))
        self._store.restore(replace(seen, pending=None))
        return True

    def abandon(self) -> None:
        """Give up the pending version; the current one works before and after."""
        seen = self._store.inspect()
        if seen.pending is None:
            return
        if seen.current and seen.current.id != seen.pending.id:
            candidate, current = self._if_there(seen.pending), self._store.reveal(seen.current)
            if candidate is None:
                self._make_work(current, current)
            else:
                self._withdraw(candidate, current)
        self._store.drop_pending(seen)

    def _prepare(self, decided: Holdings) -> None:
        rejections, first = 0, None
        while True:
            seen = self._store.inspect()
            if first is None and self._is_done_by_another(decided, seen):
                return
            fresh = seen.pending is None
            if first is None:
                first = seen.current is None or (seen.pending is not None and seen.pending.id == seen.current.id)
            if seen.current and (seen.pending is None or seen.pending.id != seen.current.id):
                current = self._store.reveal(seen.current)
            else:
                current = None
            if seen.pending is None:
                candidate = self.target.propose(current)
                pending = self._store.put_pending(candidate, seen)
                self.trail.tell(pending.id, Phase.PENDING)
            else:
                pending, candidate = seen.pending, self._taken_over(seen, seen.pending)
            try:
                if fresh or not self.target.works(candidate):
                    self.target.set(candidate, current)
            except RejectedError as error:
                rejections += 1
                over = rejections >= self._limits.rejections
                # A store that made the very first version current by itself goes on calling it so. Its label pending
                # is then all that tells the next run that it was never set.
                if not (over and first):
                    self._store.drop_pending(self._store.inspect())
                if over:
                    raise OpsError(
                        f"{self.name}: the target refused {rejections} generated secrets (option policy); the current "
                        f"one is as it was. The last time it said: {error.message}"
                    ) from None
                continue
            self.trail.tell(pending.id, Phase.SET)
            self._test(candidate, current, pending)
            self.trail.tell(pending.id, Phase.TESTED)
            return

    def _is_done_by_another(self, decided: Holdings, seen: Holdings) -> bool:
        """Whether something else became current meanwhile, and works; rotating that again is not what was decided."""
        if seen.pending or seen.current is None:
            return False
        was_current = decided.current is not None and decided.current.id == seen.current.id
        was_pending = decided.pending is not None and decided.pending.id == seen.current.id
        if was_current and not was_pending:
            return False
        return self.target.works(self._store.reveal(seen.current))

    def _taken_over(self, seen: Holdings, pending: SecretVersion) -> Credential:
        candidate = self._if_there(pending)
        if candidate is None:
            self._store.drop_pending(seen)
            raise ConflictError("what was pending cannot become current any more")
        return candidate

    def _test(self, candidate: Credential, current: Credential | None, pending: SecretVersion) -> None:
        if self._works_in_time(candidate):
            return
        seen = self._store.inspect()
        if seen.pending is None or seen.pending.id != pending.id:
            raise ConflictError("another rotator's secret is pending")
        if current is None:
            raise OpsError(f"{self.name}: the new secret was set but does not work (option test_timeout)")
        self._withdraw(candidate, current)
        self._store.drop_pending(seen)
        raise OpsError(
            f"{self.name}: the new secret was set but did not work within {self._limits.test_timeout:g} s "
            "(option test_timeout); it was withdrawn, the current one works"
        )

    def _withdraw(self, candidate: Credential, current: Credential) -> None:
        self._make_work(current, candidate)
        if self.target.overlaps:
            self.target.revoke(candidate, current)

    def _make_work(self, wanted: Credential, other: Credential) -> None:
        """Raises OpsError when ``wanted`` does not work and setting it does not help."""
        if self.target.works(wanted):
            return
        self.target.set(wanted, other)
        if not self._works_in_time(wanted):
            raise OpsError(f"{self.name}: the secret that has to work does not, and setting it again did not help")

    def _works_in_time(self, credential: Credential) -> bool:
        deadline = self._clock.monotonic() + self._limits.test_timeout
        pause = FIRST_PAUSE
        while not self.target.works(credential):
            if self._clock.monotonic() + pause > deadline:
                return False
            self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return True

    def _if_there(self, version: SecretVersion) -> Credential | None:
        try:
            return self._store.reveal(version)
        except ConflictError:
            return None
