# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the set-up says on a machine that it cannot set up. Nothing is installed: the machine's programs are hidden."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "lab" / "bootstrap.sh"
PROGRAMS = ("bash", "cat", "cut", "dirname", "env", "id", "ln", "mkdir", "sha256sum", "tail", "basename", "rm", "touch")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout whose machine has no mmdebstrap, and whatever else a test puts into ``bin``."""
    for folder in ("bin", "lab", "requirements"):
        (tmp_path / folder).mkdir()
    shutil.copy(SCRIPT, tmp_path / "lab" / "bootstrap.sh")
    for program in PROGRAMS:
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    return tmp_path


def set_up(machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(machine / "lab" / "bootstrap.sh")],
        env={"PATH": str(machine / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def add_program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_platform_without_apt_is_told_where_the_lab_runs(machine: Path) -> None:
    done = set_up(machine)
    assert done.returncode == 1
    assert "the lab runs on Debian 12 or newer and on Ubuntu 24.04 or newer" in done.stderr


def test_an_unreachable_mirror_is_named_with_apts_own_words(machine: Path) -> None:
    add_program(machine, "dpkg", "exit 0")
    add_program(machine, "sudo", 'exec "$@"')
    add_program(machine, "apt-get", "echo 'E: Could not resolve the mirror'; exit 100")
    done = set_up(machine)
    assert done.returncode == 1
    assert "E: Could not resolve the mirror" in done.stderr
    assert "is the Debian mirror reachable?" in done.stderr
