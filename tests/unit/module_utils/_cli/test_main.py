# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""However a command of the host ends, it ends with an exit code that means something, and shows no secret."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Iterator

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._cli import backup
from ansible_collections.keelson.ops.plugins.module_utils._cli.main import EXIT_BUSY, EXIT_FAILED, main
from ansible_collections.keelson.ops.plugins.module_utils._core.lock import LockHeld


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ends(monkeypatch: pytest.MonkeyPatch, error: Exception) -> int:
    def run(*_unused: object) -> None:
        raise error

    monkeypatch.setattr(backup, "_list", run)
    return main(["backup", "list", "--json"])


def test_what_no_engine_foresaw_is_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(monkeypatch, ValueError("password hunter2 is too short")) == EXIT_FAILED
    shown = capsys.readouterr()
    assert json.loads(shown.out)["failed"] is True
    assert "unexpected ValueError" in shown.err
    assert "hunter2" not in shown.out + shown.err
    assert "Traceback" not in shown.err


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(monkeypatch, OSError(errno.ENOSPC, "", "/var/lib/keelson/backup/state.json")) == EXIT_FAILED
    assert "/var/lib/keelson/backup/state.json: No space left on device" in capsys.readouterr().err


def test_another_active_run_has_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, LockHeld("held by another run")) == EXIT_BUSY
