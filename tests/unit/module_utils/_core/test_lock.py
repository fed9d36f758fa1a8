# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time, and the one that waits is told for whom."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.lock import LockHeld, file_lock


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_sleep = lambda: None

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.on_sleep()


def test_says_who_holds_it_since_when_and_how_long_it_waited(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "deploy.lock"
    with (
        file_lock(path, purpose="deploy shop", timeout=0, clock=clock),
        pytest.raises(LockHeld) as caught,
        file_lock(path, purpose="backup shop", timeout=30, clock=clock),
    ):
        pass
    message = caught.value.message
    assert message.startswith("backup shop: ")
    assert "held by deploy shop (process " in message
    assert "since 2026-01-02T03:04:05+00:00" in message
    assert "waited 30 s" in message
    assert clock.seconds >= 30
    assert caught.value.facts["holder"]["purpose"] == "deploy shop"


def test_goes_on_when_the_holder_is_done_in_time(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "deploy.lock"
    holder = file_lock(path, purpose="first", timeout=0, clock=clock)
    holder.__enter__()

    def release() -> None:
        if clock.seconds >= 1:
            holder.__exit__(None, None, None)
            clock.on_sleep = lambda: None

    clock.on_sleep = release
    with file_lock(path, purpose="second", timeout=10, clock=clock):
        assert 1 <= clock.seconds < 2


def test_is_free_again_after_an_error_inside(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "deploy.lock"
    with pytest.raises(ValueError, match="inside"), file_lock(path, purpose="a", timeout=0, clock=clock):
        raise ValueError("inside")
    with file_lock(path, purpose="b", timeout=0, clock=clock):
        pass


def test_a_killed_holder_leaves_it_free(tmp_path: Path) -> None:
    path = tmp_path / "deploy.lock"
    program = (
        "import fcntl, os, sys\n"
        f"fd = os.open({str(path)!r}, os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LockHeld, match="held by another process"),
            file_lock(path, purpose="b", timeout=0, clock=FakeClock()),
        ):
            pass
        holder.kill()
        holder.wait()
        with file_lock(path, purpose="b", timeout=0, clock=FakeClock()):
            pass
