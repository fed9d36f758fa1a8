# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validators see the new tree, and what they say about a secret goes nowhere."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandFailed, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import NOTHING, Facts, Observed
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import Plan, make_plan
from ansible_collections.keelson.ops.plugins.module_utils._files.staging import sets_to_validate, validate

ACCOUNTS = {"root": 0}
CHECK = f"{sys.executable} %s"


@dataclass
class FakeRunner:
    """Records what it is given, and what lay in the staged tree at that moment."""

    rc: int = 0
    stderr: str = ""
    error: bool = False
    commands: list[Command] = field(default_factory=list)
    trees: list[dict[str, tuple[str, int]]] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        staged = Path(command.argv[-1].removeprefix("-f="))
        root = next(parent for parent in staged.parents if parent.name.startswith("keelson-staged-"))
        self.commands.append(command)
        self.timeouts.append(timeout)
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
        self.trees.append(
            {
                "/" + str(path.relative_to(root)): (path.read_text(), stat.S_IMODE(path.stat().st_mode))
                for path in root.rglob("*")
                if path.is_file()
            }
        )
        if self.error:
            raise CommandFailed(command, "still running after 60 s, stopped", stderr=self.stderr)
        return CommandResult(command, self.rc, "", self.stderr.replace("ROOT", str(root)), 0.1)


def plan(*files: DesiredFile, **found: Observed) -> Plan:
    observed = {f"/etc/{name}": what for name, what in found.items()}
    facts = Facts(observed, {"/etc": "directory", "/etc/d": "directory"}, ACCOUNTS, ACCOUNTS)
    return make_plan(files, facts, check_mode=False)


def file(name: str, content: str = "new", **options: object) -> DesiredFile:
    return DesiredFile(f"/etc/{name}", content=content.encode(), **options)  # type: ignore[arg-type]


def same(content: str = "new") -> Observed:
    return Observed("file", 0o644, 0, 0, content.encode())


def run(plan: Plan, runner: FakeRunner, base: Path, *, check_mode: bool = False) -> list[str]:
    try:
        return validate(plan, runner, base=str(base), check_mode=check_mode)
    finally:
        assert list(base.iterdir()) == []


def test_a_changed_file_is_checked_at_its_final_path_below_a_private_directory(tmp_path: Path) -> None:
    runner = FakeRunner()
    assert run(plan(file("a", validate=f"{sys.executable} -t 'two words' -f=%s")), runner, tmp_path) == []
    (command,) = runner.commands
    assert command.argv[:3] == (sys.executable, "-t", "two words")
    assert command.argv[3].startswith(f"-f={tmp_path}/keelson-staged-{os.getpid()}-")
    assert command.argv[3].endswith("/etc/a")
    assert command.env["PATH"].endswith("/usr/sbin:/usr/bin:/sbin:/bin")
    assert runner.trees == [{"/etc/a": ("new", 0o600)}]
    assert runner.timeouts == [60.0]


@pytest.mark.parametrize("observed", [same(), replace(same(), mode=0o600)])
def test_unchanged_content_is_not_checked(observed: Observed, tmp_path: Path) -> None:
    runner = FakeRunner()
    run(plan(file("a", validate=CHECK), a=observed), runner, tmp_path)
    assert runner.commands == []


def test_a_set_is_staged_whole_and_checked_when_any_of_it_changes(tmp_path: Path) -> None:
    runner = FakeRunner()
    made = plan(
        file("main", validate=CHECK, set_name="s"),
        file("d/part", "newer", set_name="s"),
        file("kept", "x", set_name="s", force=False),
        DesiredFile("/etc/gone", "absent", set_name="s"),
        file("other"),
        main=same(),
        kept=same("theirs"),
        gone=same(),
    )
    run(made, runner, tmp_path)
    assert runner.trees == [
        {"/etc/main": ("new", 0o600), "/etc/d/part": ("newer", 0o600), "/etc/kept": ("theirs", 0o600)}
    ]


def test_a_removal_makes_its_set_change(tmp_path: Path) -> None:
    runner = FakeRunner()
    gone = DesiredFile("/etc/gone", "absent", set_name="s")
    run(plan(file("main", validate=CHECK, set_name="s"), gone, main=same(), gone=same()), runner, tmp_path)
    assert len(runner.commands) == 1


def test_a_set_named_like_a_path_is_not_that_file() -> None:
    made = plan(file("a", validate=CHECK), file("b", validate=CHECK, set_name="/etc/a"))
    assert [len(found.changes) for found in sets_to_validate(made)] == [1, 1]


def test_all_failures_are_told_with_final_paths(tmp_path: Path) -> None:
    runner = FakeRunner(rc=2, stderr="ROOT/etc/a: line 3: bad word")
    with pytest.raises(OpsError) as caught:
        run(plan(file("a", validate=CHECK), file("b", validate=CHECK)), runner, tmp_path)
    message = caught.value.message
    assert f"/etc/a: validation by '{CHECK}' failed with exit code 2: /etc/a: line 3: bad word; /etc/b:" in message
    assert message.endswith("nothing was changed")
    assert len(caught.value.facts["failed_validations"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("runner", [FakeRunner(rc=1, stderr="hunter2"), FakeRunner(error=True, stderr="hunter2")])
def test_nothing_is_quoted_when_any_file_of_the_set_is_secret(runner: FakeRunner, tmp_path: Path) -> None:
    made = plan(file("a", validate=CHECK, set_name="s"), file("b", "hunter2", set_name="s", secret=True))
    with pytest.raises(OpsError) as caught:
        run(made, runner, tmp_path)
    assert "hunter2" not in f"{caught.value.message} {caught.value.facts}"
    assert "/etc/a: validation by" in caught.value.message


def test_a_time_limit_is_told(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="still running after 60 s, stopped"):
        run(plan(file("a", validate=CHECK)), FakeRunner(error=True), tmp_path)


def test_a_validator_that_is_not_installed_is_skipped_in_check_mode_only(tmp_path: Path) -> None:
    runner = FakeRunner()
    made = plan(file("a", validate="no-such-check %s"), file("b", validate=CHECK), a=NOTHING)
    assert run(made, runner, tmp_path, check_mode=True) == ["no-such-check"]
    assert len(runner.commands) == 1
    run(made, runner, tmp_path)
    assert len(runner.commands) == 3
