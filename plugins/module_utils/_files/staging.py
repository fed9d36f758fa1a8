# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation before anything is replaced: each set is staged as a tree of final paths, its validators run on that."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .._core.command import TAIL_CHARACTERS, Command, CommandFailed, Runner
from .._core.errors import OpsError
from .leftovers import STAGED_PREFIX
from .plan import Change, Plan

VALIDATOR_SECONDS = 60.0
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Validator:
    """A program to be run on one staged file; ``words`` still hold %s."""

    dest: str
    words: tuple[str, ...]
    secret: bool

    def command(self, staged: Path, path: str) -> Command:
        """The command that checks ``staged``, found through ``path``."""
        argv = tuple(word.replace("%s", str(staged)) for word in self.words[1:])
        return Command((self.words[0], *argv), env={"PATH": path})


@dataclass(frozen=True, slots=True)
class StagedSet:
    """Files that are validated together."""

    changes: tuple[Change, ...]
    validators: tuple[Validator, ...]


def sets_to_validate(plan: Plan) -> list[StagedSet]:
    """The sets in which something changes and that have a validator; a file without a set is one of its own."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in plan.changes:
        name = change.file.set_name
        groups.setdefault(("set", name) if name else ("file", change.file.dest), []).append(change)
    return [
        StagedSet(tuple(group), validators)
        for group in groups.values()
        if _needs_validation(group) and (validators := tuple(_validators(group)))
    ]


def validate(
    plan: Plan, runner: Runner, *, base: str | None, check_mode: bool, timeout: float = VALIDATOR_SECONDS
) -> list[str]:
    """Run every validator that the plan calls for; ``base`` is where the staging directory is made.

    Returns the validators' programs that were skipped in check mode because they are not installed.
    Raises OpsError with all that failed; nothing was replaced then.
    """
    skipped: list[str] = []
    failures: list[str] = []
    path = _search_path()
    for staged_set in sets_to_validate(plan):
        with staged_tree(staged_set.changes, base) as root:
            for validator in staged_set.validators:
                if check_mode and shutil.which(validator.words[0], path=path) is None:
                    skipped.append(validator.words[0])
                    continue
                failure = _run(validator, root, path, runner, timeout)
                if failure:
                    failures.append(failure)
    if failures:
        raise OpsError("; ".join(failures) + "; nothing was changed", failed_validations=failures)
    return sorted(set(skipped))


@contextmanager
def staged_tree(changes: Iterable[Change], base: str | None) -> Iterator[Path]:
    """A private directory that holds the files of ``changes`` at their final paths, gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix=f"{STAGED_PREFIX}{os.getpid()}-", dir=base))
    try:
        for change in changes:
            _stage(root, change)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def staged_path(root: Path, dest: str) -> Path:
    return root / dest.lstrip("/")


def _stage(root: Path, change: Change) -> None:
    place = staged_path(root, change.file.dest)
    if change.file.state == "directory":
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = change.content_after
    if content is None:
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _needs_validation(group: Sequence[Change]) -> bool:
    return any(change.action == "write" or (change.action == "remove" and change.file.set_name) for change in group)


def _validators(group: Sequence[Change]) -> Iterator[Validator]:
    secret = any(change.file.secret for change in group)
    for change in group:
        if change.file.validate and change.content_after is not None:
            yield Validator(change.file.dest, tuple(shlex.split(change.file.validate)), secret)


def _run(validator: Validator, root: Path, path: str, runner: Runner, timeout: float) -> str | None:
    command = validator.command(staged_path(root, validator.dest), path)
    shown = " ".join(validator.words)
    try:
        result = runner.run(command, timeout=timeout, check=False)
    except CommandFailed as error:
        reason = "could not be run to its end" if validator.secret else error.message
        return f"{validator.dest}: validation by '{shown}' failed: {reason}"
    if result.rc == 0:
        return None
    told = "its output is withheld, the file is secret"
    if not validator.secret:
        told = (result.stderr.strip() or result.stdout.strip())[-TAIL_CHARACTERS:].replace(str(root), "")
    return f"{validator.dest}: validation by '{shown}' failed with exit code {result.rc}: {told}"


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":" + SYSTEM_PATH
