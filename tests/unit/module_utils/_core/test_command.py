# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are run without a shell, within a time limit, and their secrets stay out of messages."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core import command as commands
from ansible_collections.keelson.ops.plugins.module_utils._core.command import (
    TAIL_CHARACTERS,
    Command,
    CommandFailed,
    SubprocessRunner,
)


def python(program: str, **options: object) -> Command:
    return Command((sys.executable, "-c", program), **options)  # type: ignore[arg-type]


def test_returns_what_the_program_left() -> None:
    result = SubprocessRunner().run(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), check=False
    )
    assert (result.rc, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_no_shell_reads_the_arguments() -> None:
    result = SubprocessRunner().run(Command(("echo", "$HOME; `id`", "*")))
    assert result.stdout == "$HOME; `id` *\n"


def test_hands_over_stdin_environment_and_directory(tmp_path: Path) -> None:
    program = "import os, sys; print(sys.stdin.read(), os.environ['X'], os.getcwd(), os.environ['LC_ALL'])"
    result = SubprocessRunner().run(python(program, stdin=b"in", env={"X": "env"}, cwd=str(tmp_path)))
    assert result.stdout == f"in env {tmp_path} C.UTF-8\n"


def test_what_it_reads_may_be_found_out_while_it_starts(tmp_path: Path) -> None:
    program = "import pathlib, sys; pathlib.Path('started').touch(); print(sys.stdin.read())"

    def found_out() -> bytes:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return b"late"

    assert SubprocessRunner().run(python(program, stdin=found_out, cwd=str(tmp_path))).stdout == "late\n"


def test_what_it_reads_cannot_be_found_out(tmp_path: Path) -> None:
    def fails() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        SubprocessRunner().run(python("import sys; sys.stdin.read()", stdin=fails))


def test_no_stdin_is_an_empty_one() -> None:
    assert SubprocessRunner().run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_a_failure_tells_code_and_stderr_with_secrets_masked() -> None:
    program = "import os, sys; sys.exit('cannot log in with ' + os.environ['PASSWORD'])"
    command = python(program, env={"PASSWORD": "hunter2!"}, secrets=("hunter2!",))
    with pytest.raises(CommandFailed) as caught:
        SubprocessRunner().run(command)
    error = caught.value
    assert error.message.endswith("exit code 1: cannot log in with ********")
    assert error.facts["rc"] == 1
    assert "hunter2!" not in f"{error!r} {error.facts} {command!r} {command}"


def test_a_secret_that_lies_across_the_cut_leaves_no_tail() -> None:
    secret = "hunter2-and-a-long-one"
    said = "x" * 50 + secret + "y" * (TAIL_CHARACTERS - 10)
    error = CommandFailed(Command(("program",), secrets=(secret,)), "exit code 1", 1, said)
    assert "a-long-one" not in f"{error.message} {error.facts}"
    assert error.message.endswith("y" * 100)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(CommandFailed, match=r"no-such-program: cannot be run \(No such file"):
        SubprocessRunner().run(Command(("no-such-program",)))


def test_a_program_without_the_run_bit_is_named(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(CommandFailed, match=r"cannot be run \(Permission denied\)"):
        SubprocessRunner().run(Command((str(script),)))


def test_is_stopped_at_the_time_limit_and_what_it_said_is_kept() -> None:
    program = "import sys, time; print('waiting', file=sys.stderr, flush=True); time.sleep(600)"
    with pytest.raises(CommandFailed, match=r"still running after 0\.5 s, stopped: waiting"):
        SubprocessRunner().run(python(program), timeout=0.5)


def test_bytes_that_are_no_text_do_not_break_it() -> None:
    result = SubprocessRunner().run(python(r"import sys; sys.stdout.buffer.write(b'a\xff')"))
    assert result.stdout == "a\ufffd"


def test_what_a_program_started_is_stopped_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    command = Command(("sh", "-c", f"sleep 600 & echo $! > {child}; wait"))
    with pytest.raises(CommandFailed, match="still running"):
        SubprocessRunner().run(command, timeout=0.5)
    state, deadline = Path(f"/proc/{child.read_text().strip()}/stat"), time.monotonic() + 10
    while _runs(state):
        assert time.monotonic() < deadline, state.read_text()


def test_what_has_left_the_group_and_holds_its_pipes_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "TERM_SECONDS", 0.1)
    monkeypatch.setattr(commands, "KILL_SECONDS", 0.1)
    child = tmp_path / "child"
    script = f"echo $$ > {child}.new; mv {child}.new {child}; exec sleep 300"

    process = commands._start(Command(("setsid", "--fork", "sh", "-c", script)))
    deadline = time.monotonic() + 60
    while not child.exists():
        assert time.monotonic() < deadline
    commands._end(process)
    number = int(child.read_text())
    assert _runs(Path(f"/proc/{number}/stat"))
    os.kill(number, signal.SIGKILL)


def _runs(state: Path) -> bool:
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
