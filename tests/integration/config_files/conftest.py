# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real playbooks of real roles, against this machine or a host that is reached over SSH."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TOOLS = Path(sys.executable).parent
ACCOUNT = {"owner": str(os.getuid()), "group": str(os.getgid())}


@dataclass(frozen=True)
class Outcome:
    """What an Ansible command left."""

    rc: int
    text: str

    @property
    def handlers(self) -> list[list[str]]:
        """The handlers that ran, play by play."""
        return [re.findall(r"RUNNING HANDLER \[(.*?)\]", play) for play in self.text.split("\nPLAY [")[1:]]

    @property
    def results(self) -> list[Any]:
        """What debug tasks printed after the word RESULT, from JSON."""
        return [json.loads(line.split("RESULT ", 1)[1]) for line in _messages(self.text)]


def _messages(text: str) -> list[str]:
    return [json.loads(found) for found in re.findall(r'"msg": ("RESULT .*")', text)]


@dataclass(frozen=True)
class Project:
    """A directory with a playbook, a role named app and a place to configure."""

    path: Path
    inventory: tuple[str, ...] = (
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    )

    @property
    def etc(self) -> Path:
        return self.path / "etc"

    def write(self, name: str, text: str) -> Path:
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
        return place

    def command(self, *arguments: str) -> list[str]:
        return [str(TOOLS / "ansible-playbook"), *self.inventory, str(self.path / "site.yml"), *arguments]

    def play(self, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
        """Run ``site.yml``."""
        done = subprocess.run(
            self.command(*arguments),
            env=environment(env),
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Outcome(done.returncode, done.stdout + done.stderr)

    def plays(self, *plays: dict[str, Any]) -> None:
        """Write ``site.yml``. Many plays in one run cost far less than many runs."""
        common = {"hosts": "all", "gather_facts": False}
        self.write("site.yml", yaml.safe_dump([{**common, **play} for play in plays], sort_keys=False))

    def apply(self, *calls: list[dict[str, Any]], arguments: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Apply lists of files one after the other, whether one fails or not. Returns their results."""
        tasks: list[dict[str, Any]] = []
        for files in calls:
            options = {"files": [{**ACCOUNT, **file} for file in files]}
            tasks += [
                {"name": "Apply", "keelson.ops.config_files": options, "register": "done", "ignore_errors": True},
                {"name": "Show", "ansible.builtin.debug": {"msg": "RESULT {{ done | to_json }}"}},
            ]
        self.plays({"tasks": tasks})
        outcome = self.play(*arguments)
        assert len(outcome.results) == len(calls), outcome.text
        return outcome.results


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """The repository's own configuration, results as JSON."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_NOCOLOR": "1",
        **(more or {}),
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "etc").mkdir()
    return Project(tmp_path)
