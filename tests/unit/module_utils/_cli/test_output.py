# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host command tells while it works: on a terminal, in the journal, and to programs."""

from __future__ import annotations

import json

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._cli import output
from ansible_collections.keelson.ops.plugins.module_utils._cli.output import Output
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError


class Time:
    """Stands for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    stopped = Time()
    monkeypatch.setattr(output, "time", stopped)
    return stopped


def work(told: Output, time: Time) -> None:
    """Two minutes at 5 MB/s, of 1 GB at the last."""
    told.step("dumping shop")
    for second in range(1, 120):
        time.now += 1
        told.progress(second * 5_000_000, None if second < 100 else 1_000_000_000)


def test_a_log_gets_bytes_and_rate_now_and_then(capsys: pytest.CaptureFixture[str], time: Time) -> None:
    work(Output(as_json=False, quiet=False), time)
    assert capsys.readouterr().err.splitlines() == [
        "dumping shop",
        "  150.0 MB, 5.0 MB/s",
        "  300.0 MB, 5.0 MB/s",
        "  450.0 MB, 5.0 MB/s",
    ]


def test_a_terminal_has_one_line_that_ends_before_the_next_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, time: Time
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    told = Output(as_json=False, quiet=False)
    work(told, time)
    told.step("storing it")
    step, line, next_step = capsys.readouterr().err.rstrip("\n").split("\n")
    assert (step, next_step) == ("dumping shop", "storing it")
    assert line.endswith("\x1b[K  595.0 MB of 1.0 GB (60 %), 5.0 MB/s")


def test_programs_get_nothing_but_the_result(capsys: pytest.CaptureFixture[str], time: Time) -> None:
    told = Output(as_json=True, quiet=True)
    work(told, time)
    told.result({"id": 1}, ["one"])
    printed = capsys.readouterr()
    assert (json.loads(printed.out), printed.err) == ({"id": 1}, "")
    assert told.fail(OpsError("no room", free=3), 4) == 4
    assert json.loads(capsys.readouterr().out) == {"failed": True, "msg": "no room", "free": 3}
