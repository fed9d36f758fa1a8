# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's copies: what comes back, whatever happened in between. The countdown itself is Molecule's."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

GUARD = Path(__file__).parents[3] / "roles" / "hardening" / "files" / "keelson-guard"


@pytest.fixture
def calls() -> list[tuple[str, ...]]:
    return []


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[str, ...]]) -> ModuleType:
    loader = SourceFileLoader("keelson_guard", str(GUARD))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    state = tmp_path / "state"
    for name, value in {"STATE": state, "ARMED": state / "armed", "COPIES": state / "copies"}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "LAST_REVERT", state / "last-revert")
    monkeypatch.setattr(module, "SSHD_CONFIG", tmp_path / "sshd_config")
    monkeypatch.setattr(module, "run", lambda *argv, check=True: calls.append(argv) or 0)
    monkeypatch.setattr(module, "confirmed_ssh_port", lambda kept: 22)
    monkeypatch.setattr(module, "apply", lambda: calls.append(("apply",)))
    return module


def test_changed_removed_and_new_files_come_back_as_they_were(guard: ModuleType, tmp_path: Path) -> None:
    changed, removed, new = (tmp_path / name for name in ("changed", "removed", "new"))
    changed.write_text("old")
    changed.chmod(0o640)
    removed.write_text("was here")
    with guard.locked():
        guard.arm([changed, removed, new], 90)
        changed.write_text("wrong")
        changed.chmod(0o600)
        removed.unlink()
        new.write_text("wrong")
        guard.revert(boot=False)

    assert changed.read_text() == "old"
    assert changed.stat().st_mode & 0o777 == 0o640
    assert removed.read_text() == "was here"
    assert not new.exists()


def test_a_second_change_before_the_confirmation_goes_back_to_the_confirmed_state(
    guard: ModuleType, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("confirmed")
    second.write_text("confirmed")
    with guard.locked():
        guard.arm([first], 90)
        first.write_text("never confirmed")
        guard.arm([first, second], 90)
        second.write_text("never confirmed")
        guard.revert(boot=False)

    assert (first.read_text(), second.read_text()) == ("confirmed", "confirmed")


def test_what_is_confirmed_stays(guard: ModuleType, tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with guard.locked():
        guard.arm([path], 90)
        path.write_text("new")
        guard.confirm()
        guard.revert(boot=False)

    assert path.read_text() == "new"
    assert ("apply",) not in calls


def test_a_confirmation_after_the_countdown_is_refused(guard: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with guard.locked():
        guard.arm([path], 90)
        guard.revert(boot=False)
        with pytest.raises(guard.GuardError, match="too late"):
            guard.confirm()


def test_at_boot_files_come_back_before_anything_is_live(
    guard: ModuleType, tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with guard.locked():
        guard.arm([path], 90)
        path.write_text("new")
        calls.clear()
        guard.revert(boot=True)

    assert path.read_text() == "old"
    assert calls == []


def test_empty_passwords_are_refused_and_nothing_else_changes(guard: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "common-auth"
    text = "# nullok\nauth [success=2 default=ignore] pam_unix.so{} try_first_pass\nauth optional pam_other.so nullok\n"
    path.write_text(text.format(" nullok"))
    path.chmod(0o644)
    guard.refuse_empty_passwords((path, tmp_path / "missing"))
    assert path.read_text() == text.format("")
    assert path.stat().st_mode & 0o777 == 0o644
    guard.refuse_empty_passwords((path,))
    assert path.read_text() == text.format("")
