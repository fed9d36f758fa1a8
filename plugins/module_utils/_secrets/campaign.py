# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many secrets of one application at once: each goes its own way, the application is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._core.clock import Clock
from .._core.errors import OpsError, unforeseen
from .application import Application
from .credential import Credential, Holdings, Phase
from .plan import CHANGING, PRESENT, Action, Decision
from .rotation import Rotation

THREADS = 16
PREPARED = frozenset((Action.ROTATE, Action.CREATE, Action.RESUME))
USED = PREPARED | {Action.APPLY, Action.BACK, Action.FINISH_BACK}
BACK = frozenset((Action.BACK, Action.FINISH_BACK))
ENDING_BACK = BACK | {Action.ABANDON}


@dataclass(slots=True)
class Course:
    """One secret in the run: what was decided, how far it came, what went wrong."""

    rotation: Rotation
    initial: Credential | None = None
    decision: Decision = field(default_factory=lambda: Decision(Action.NONE, "not looked at"))
    holdings: Holdings = field(default_factory=Holdings)
    phase: Phase | None = None
    revoked: bool = False
    went_back: bool = False
    error: OpsError | None = None

    @property
    def name(self) -> str:
        return self.rotation.name

    @property
    def changed(self) -> bool:
        return self.decision.changes or self.revoked


class Campaign:
    """The order of steps over all secrets of one call."""

    def __init__(self, courses: Sequence[Course], application: Application, clock: Clock) -> None:
        self.courses = tuple(courses)
        self._application = application
        self._clock = clock

    def preview(self) -> None:
        """Look and decide; no write anywhere."""
        self._each(self.courses, self._look)

    def run(self) -> None:
        """Do all that is due. Errors stay with the secret that they concern."""
        self.preview()
        self._settle([course for course in self._well() if course.decision.settle])
        self._each(self._well(), self._begin)
        self._announce([course for course in self._well(PREPARED) if self._is_announced(course)])
        self._each(self._well(PREPARED), lambda course: course.rotation.promote())
        self._use([course for course in self._well() if self._is_news(course)])
        expired = self._well((Action.REVOKE,))
        if expired:
            self._gate(expired, self._application.check)
        self._each(self._well(CHANGING), self._finish)
        self._each([c for c in self.courses if c.error or c.decision.changes], self._look_at_the_end)

    def announce(self) -> None:
        """Only prepare what consumers have to accept beforehand, and let them; nothing becomes current."""
        self.preview()
        chosen = [course for course in self._well(PREPARED) if self._is_announced(course)]
        for course in self._well():
            if course not in chosen:
                course.decision = Decision(Action.NONE, "nobody has to know beforehand")
        self._settle([course for course in chosen if course.decision.settle])
        self._each([course for course in chosen if course.error is None], self._begin)
        self._announce([course for course in chosen if course.error is None], wait=False)
        self._each(chosen, self._look_at_the_end)

    def _well(self, actions: Iterable[Action] | None = None) -> list[Course]:
        wanted = None if actions is None else set(actions)
        return [c for c in self.courses if c.error is None and (wanted is None or c.decision.action in wanted)]

    def _look(self, course: Course) -> None:
        course.holdings, course.decision = course.rotation.look()
        course.phase = course.rotation.trail.phase(course.holdings)
        if course.decision.action is Action.REFUSE:
            raise OpsError(f"{course.name}: {course.decision.reason}")

    def _look_at_the_end(self, course: Course) -> None:
        course.holdings, _unused = course.rotation.look()
        course.phase = course.rotation.trail.phase(course.holdings)

    def _settle(self, courses: list[Course]) -> None:
        """End the rotation before: nothing may be under way when the next one begins."""
        if any(not self._is_applied(course) for course in courses):
            self._gate(courses, self._application.use)
        self._each([course for course in courses if course.error is None], lambda course: course.rotation.revoke())

    def _begin(self, course: Course) -> None:
        action = course.decision.action
        if action in PREPARED:
            course.rotation.prepare(course.holdings)
        elif action is Action.ADOPT and course.initial:
            course.rotation.adopt(course.initial)
        elif action is Action.ABANDON:
            course.rotation.abandon()
        elif action is Action.BACK:
            course.rotation.go_back()

    def _is_announced(self, course: Course) -> bool:
        return course.rotation.target.announce_seconds is not None and course.decision.action is not Action.CREATE

    def _is_news(self, course: Course) -> bool:
        """Whether the application has to take something up, or to let go of what was announced."""
        action = course.decision.action
        return action in USED or (action is Action.ABANDON and self._is_announced(course))

    def _announce(self, courses: list[Course], *, wait: bool = True) -> None:
        """Let consumers accept the secrets that are to come; give those up that they do not get along with."""
        if not courses:
            return
        self._gate(courses, self._application.use)
        refused = [course for course in courses if course.error]
        if refused:
            self._undo(refused, lambda course: course.rotation.abandon())
        elif wait:
            self._clock.sleep(max(course.rotation.target.announce_seconds or 0.0 for course in courses))

    def _use(self, courses: list[Course]) -> None:
        if not courses:
            return
        self._gate(courses, self._application.use)
        if not courses[0].error:
            self._each(courses, lambda course: course.rotation.applied())
            return
        self._undo([course for course in courses if course.decision.action not in ENDING_BACK], self._take_back)

    def _take_back(self, course: Course) -> None:
        course.went_back = course.rotation.go_back()

    def _undo(self, courses: list[Course], step: Callable[[Course], object]) -> None:
        """After a failed use: ``step``, let the application use what was before, revoke what failed."""
        if not courses:
            return
        reasons = {course.name: course.error for course in courses}
        for course in courses:
            course.error = None
        self._each(courses, step)
        undone = [course for course in courses if course.error is None]
        try:
            self._application.use()
        except OpsError as error:
            outcome = f"; it is not well with the secret from before either: {error.message}"
        else:
            outcome = "; it is well with the secret from before, which is current again"
            self._each([course for course in undone if course.went_back], lambda course: course.rotation.revoke())
        for course in courses:
            reason, trouble = reasons[course.name], course.error
            said = reason.message if reason else ""
            if trouble is not None:
                course.error = OpsError(f"{said}; {trouble.message}")
            elif course.holdings.current is None:
                course.error = OpsError(f"{said}; there was no secret before, so the new one stays")
            else:
                course.error = OpsError(f"{said}{outcome}")

    def _finish(self, course: Course) -> None:
        if course.decision.action in BACK:
            course.rotation.revoke()
            course.revoked = True
            return
        ending = replace(course.rotation.wish, state=PRESENT, force=False)
        if course.rotation.look_with(ending).action is Action.REVOKE:
            course.rotation.revoke()
            course.revoked = True

    def _is_applied(self, course: Course) -> bool:
        return course.rotation.trail.memory(course.holdings).applied is not None

    def _gate(self, courses: list[Course], step: Callable[[], None]) -> None:
        try:
            step()
        except OpsError as error:
            for course in courses:
                course.error = OpsError(f"{course.name}: {error.message}", **error.facts)

    def _each(self, courses: Sequence[Course], step: Callable[[Course], object]) -> None:
        """One step of many secrets at once; what fails concerns only its own."""

        def guarded(course: Course) -> None:
            try:
                step(course)
            except OpsError as error:
                course.error = course.error or _named(course.name, error)
            except Exception as error:  # noqa: BLE001 the text of an unknown exception may hold a secret
                course.error = course.error or OpsError(f"{course.name}: {unforeseen(error)}")

        if len(courses) == 1:
            guarded(courses[0])
        elif courses:
            with ThreadPoolExecutor(min(THREADS, len(courses))) as pool:
                list(pool.map(guarded, courses))


def _named(name: str, error: OpsError) -> OpsError:
    if error.message.startswith(f"{name}: "):
        return error
    return OpsError(f"{name}: {error.message}", **error.facts)


def due_at(course: Course) -> datetime | None:
    """When the secret has to be rotated next, None when there is none."""
    return course.holdings.current.created + course.rotation.wish.max_age if course.holdings.current else None
