# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result: what secret_rotate does on this host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from .._core.clock import Clock, SystemClock
from .._core.command import Runner, SubprocessRunner
from .._core.duration import parse_duration
from .._core.errors import OpsError
from .._core.lock import file_lock
from .._rollout.options import without_none
from .application import Application, application_from
from .campaign import Campaign, Course
from .credential import Credential
from .plan import ROTATED, Wish
from .report import audit, facts_of, plan_text, publish
from .rotation import Limits, Rotation
from .stores import Connections, open_store
from .targets import open_target
from .trail import Trail

ANNOUNCED = "announced"
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,80}$")


def run_rotation(
    params: Mapping[str, Any],
    *,
    check: bool,
    tell: Callable[[str], None],
    around: Callable[[Application], Application] | None = None,
) -> dict[str, object]:
    """Rotate what is due and return the module's result; ``check`` looks only. Raises OpsError.

    ``around`` may put something before the application is told. ``until`` of V(announced) in ``params`` stops once
    consumers accept what is to come.
    """
    clock = SystemClock()
    runner = SubprocessRunner()
    application: Application = application_from(params["apply"], clock, runner, tell)
    application = around(application) if around else application
    directory = Path(params["state_directory"])
    with ExitStack() as stack:
        opening = _Opening(params, clock, runner, Connections(), stack)
        courses = [opening.course(entry, index) for index, entry in _entries(params)]
        campaign = Campaign(courses, application, clock)
        if check:
            campaign.preview()
        else:
            with _alone(courses, directory, float(params["lock_timeout"]), clock):
                if params.get("until") == ANNOUNCED:
                    campaign.announce()
                else:
                    campaign.run()
                _record(courses, params, clock)
    return _result(courses)


def _entries(params: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    seen: set[str] = set()
    for index, entry in enumerate(params["secrets"]):
        name = entry["name"]
        if not NAME.match(name):
            raise OpsError(f"secrets[{index}].name: {name!r} must be of letters, digits, dots, _ and -")
        if name in seen:
            raise OpsError(f"secrets[{index}].name: {name!r} is there twice; names are unique")
        seen.add(name)
        yield index, entry


@dataclass(frozen=True, slots=True)
class _Opening:
    """What the stores and targets of one call are opened with; ``stack`` closes them."""

    params: Mapping[str, Any]
    clock: Clock
    runner: Runner
    connections: Connections
    stack: ExitStack

    def course(self, entry: Mapping[str, Any], index: int) -> Course:
        params, where, name = self.params, f"secrets[{index}]", entry["name"]
        options = {**without_none(params["store"] or {}), **without_none(entry["store"] or {})}
        store = open_store(options, f"{where}.store", self.clock, self.connections)
        self.stack.callback(store.close)
        target = open_target(entry["target"], entry["policy"], where, self.clock, self.runner)
        self.stack.callback(target.close)
        rotation = Rotation(
            name,
            _wish(entry, params, where),
            store=store,
            target=target,
            trail=Trail(Path(params["state_directory"]), name, self.clock),
            clock=self.clock,
            limits=Limits(float(params["test_timeout"]), int(params["rejections"])),
        )
        initial = Credential(entry["initial"], entry["initial_attributes"] or {}) if entry["initial"] else None
        return Course(rotation, initial)


def _wish(entry: Mapping[str, Any], params: Mapping[str, Any], where: str) -> Wish:
    def span(name: str) -> timedelta:
        if entry[name] is not None:
            return timedelta(seconds=parse_duration(entry[name], f"{where}.{name}"))
        return timedelta(seconds=parse_duration(params[name], name))

    max_age, overlap = span("max_age"), span("overlap")
    if params["state"] == ROTATED and overlap >= max_age:
        raise OpsError(f"{where}.overlap: must be shorter than max_age, or the old secret would never be revoked")
    return Wish(params["state"], max_age, overlap, bool(params["force"]), has_initial=bool(entry["initial"]))


@contextmanager
def _alone(courses: list[Course], directory: Path, timeout: float, clock: Clock) -> Iterator[None]:
    """Hold the locks of all secrets, in one order, so that two runs over some of the same can't block each other."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as stack:
            for name in sorted(course.name for course in courses):
                path = directory / f"{name}.lock"
                stack.enter_context(file_lock(path, purpose=f"rotation of {name}", timeout=timeout, clock=clock))
            yield
    except OSError as error:
        raise OpsError(f"{error.filename}: {error.strerror} (option state_directory)") from None


def _record(courses: list[Course], params: Mapping[str, Any], clock: Clock) -> None:
    try:
        audit(courses, Path(params["audit_log"]), clock)
        if params["metrics_directory"]:
            publish(courses, Path(params["metrics_directory"]))
    except OSError as error:
        raise OpsError(f"{error.filename}: {error.strerror} (options audit_log, metrics_directory)") from None


def _result(courses: list[Course]) -> dict[str, object]:
    facts = [facts_of(course) for course in courses]
    changed = any(course.changed for course in courses)
    failed = [course.error for course in courses if course.error]
    if failed:
        more = f" (and {len(failed) - 1} more, see secrets)" if len(failed) > 1 else ""
        raise OpsError(failed[0].message + more, secrets=facts, changed=changed)
    return {"changed": changed, "secrets": facts, "diff": {"prepared": plan_text(courses) if changed else ""}}
