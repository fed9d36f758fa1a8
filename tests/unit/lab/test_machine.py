# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines: what may be stopped and removed, and the order of their file systems."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from lab import machine
from lab.machine_disk import LAYOUT


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "fleet_state", lambda name: tmp_path / name)
    (tmp_path / "one").mkdir()
    return tmp_path / "one"


@pytest.fixture
def process(request: pytest.FixtureRequest, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, with the arguments of the test's parameter behind its own."""
    mark = str((state / request.param).resolve())
    started = subprocess.Popen(["sh", "-c", "read -r line", mark], stdin=subprocess.PIPE)
    (state / "pid").write_text(f"{started.pid}\n", encoding="ascii")
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("process", ["disk.qcow2"], indirect=True)
def test_a_machine_is_stopped_and_its_state_removed(state: Path, process: subprocess.Popen[bytes]) -> None:
    machine.down("one")
    assert process.wait(10) != 0
    assert not state.exists()


@pytest.mark.parametrize("process", ["../two/disk.qcow2", "../one-more/disk.qcow2"], indirect=True)
def test_a_process_that_took_the_number_of_a_machine_is_left_alone(
    state: Path, process: subprocess.Popen[bytes]
) -> None:
    machine.down("one")
    assert process.poll() is None
    assert not state.exists()


def test_a_file_system_comes_after_the_one_that_it_lies_in() -> None:
    points = [PurePosixPath(part.point) for part in LAYOUT]
    for index, point in enumerate(points):
        assert not any(later in point.parents for later in points[index:])
