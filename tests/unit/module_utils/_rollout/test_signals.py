# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears a signal: programs of this machine, and what the kernel would tell of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._rollout.signals import hears

PROGRAM = "import signal, sys; {}; print('ready', flush=True); sys.stdin.read()"
TERM = 1 << 14


@pytest.mark.parametrize(
    ("setting", "heard"),
    [
        ("pass", True),
        ("signal.signal(signal.SIGTERM, lambda *_: None)", True),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])", True),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", False),
    ],
    ids=["default", "handled", "waited for", "ignored"],
)
def test_a_program(setting: str, heard: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(setting)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert hears(process.pid, "SIGTERM") is hears(process.pid, "TERM") is hears(process.pid, "15") is heard
        assert hears(process.pid, "SIGKILL") is True
        process.communicate()


@pytest.mark.parametrize(
    ("facts", "heard"),
    [
        ({"SigCgt": TERM, "NSpid": "41 1"}, True),
        ({"SigBlk": TERM, "SigIgn": TERM, "NSpid": "41 1"}, True),
        ({"NSpid": "41 1"}, False),
        ({"NSpid": "41 7"}, True),
        ({"SigIgn": TERM, "NSpid": "41"}, False),
        ({"SigCgt": "words", "NSpid": "41 1"}, True),
    ],
)
def test_the_first_process_of_a_container(tmp_path: Path, facts: dict[str, int | str], heard: bool) -> None:
    known = {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0, **facts}
    lines = [f"{key}:\t{value:016x}" if isinstance(value, int) else f"{key}:\t{value}" for key, value in known.items()]
    (tmp_path / "41").mkdir()
    (tmp_path / "41" / "status").write_text("\n".join(lines))
    assert hears(41, "SIGTERM", tmp_path) is heard


def test_what_cannot_be_seen_hears(tmp_path: Path) -> None:
    assert hears(41, "SIGTERM", tmp_path) is hears(41, "SIGRTMIN+3", tmp_path) is True
