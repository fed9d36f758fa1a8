# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The built artifact, and a place elsewhere on the disk where nothing but the installed artifact is known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.outcomes import ROOT

FLEET = "artifact"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A folder with its own home and collections path, as a user has who installed the artifact."""

    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's commands here; its output is part of the failure when it fails."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "HOME": str(self.folder / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }
        program, *arguments = command
        done = subprocess.run(
            [str(Path(sys.executable).parent / program), *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done


def lab(*arguments: str) -> None:
    """Run one of the lab's commands."""
    command: Sequence[str] = [sys.executable, "-m", "lab", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the artifact from this checkout."""
    folder = tmp_path_factory.mktemp("artifact")
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True, capture_output=True)
    (built,) = folder.glob("keelson-ops-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def elsewhere(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Install the artifact into an empty collections path, without asking any server."""
    place = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    (place.folder / "home").mkdir()
    collections = str(place.folder / "collections")
    place.run("ansible-galaxy", "collection", "install", str(artifact), "-p", collections, "--offline", "--no-deps")
    return place


@pytest.fixture(scope="session")
def inventory() -> Iterator[Path]:
    """Start one bare host and return its inventory."""
    lab("fleet", "down", FLEET)
    try:
        lab("fleet", "up", FLEET, "--host", "bare13=trixie")
        yield ROOT / ".cache" / "fleets" / FLEET / "hosts.yml"
    finally:
        lab("fleet", "down", FLEET)
