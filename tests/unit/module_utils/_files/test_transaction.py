# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a plan is applied or nothing of it. Real files, owned by whoever runs the test."""

from __future__ import annotations

import errno
import os
import signal
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files import transaction
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile, State
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import observe
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import make_plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
USER, GROUP = str(os.getuid()), str(os.getgid())


def wanted(path: Path, content: str | None = None, state: State = "file", **options: object) -> DesiredFile:
    data = None if content is None else content.encode()
    mode = options.pop("mode", 0o755 if state == "directory" else 0o644)
    return DesiredFile(str(path), state, data, USER, GROUP, mode, **options)  # type: ignore[arg-type]


def apply(*files: DesiredFile) -> list[str]:
    return transaction.apply(make_plan(files, observe(files), check_mode=False), NOW)


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Everything below root: mode, time of the last write, and content or target."""

    def what(path: Path) -> str:
        if path.is_symlink():
            return f"-> {path.readlink()}"
        return path.read_text() if path.is_file() else ""

    return {
        str(path.relative_to(root)): (
            stat.S_IMODE(path.lstat().st_mode),
            0 if path.is_dir() else path.lstat().st_mtime_ns,
            what(path),
        )
        for path in root.rglob("*")
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a file, a private file, a link and an empty directory."""
    root = tmp_path / "etc"
    root.mkdir(mode=0o755)
    (root / "a").write_text("old a")
    (root / "key").write_text("old key")
    (root / "key").chmod(0o600)
    (root / "link").symlink_to("a")
    (root / "empty").mkdir()
    return root


def every_change(root: Path) -> list[DesiredFile]:
    return [
        wanted(root / "new.d", state="directory", mode=0o750),
        wanted(root / "new.d" / "b", "new b", mode=0o640),
        wanted(root / "a", "new a", backup=True),
        wanted(root / "key", "old key", mode=0o400),
        wanted(root / "link", state="absent"),
        wanted(root / "empty", state="absent"),
    ]


def test_applies_everything(tree: Path) -> None:
    backups = apply(*every_change(tree))
    assert backups == [f"{tree}/a.{os.getpid()}.2026-01-02@03:04:05~"]
    found = {name: (mode, what) for name, (mode, _time, what) in snapshot(tree).items()}
    assert found == {
        "a": (0o644, "new a"),
        Path(backups[0]).name: (0o644, "old a"),
        "key": (0o400, "old key"),
        "new.d": (0o750, ""),
        "new.d/b": (0o640, "new b"),
    }


def test_a_second_run_changes_nothing(tree: Path) -> None:
    files = every_change(tree)
    apply(*files)
    before = snapshot(tree)
    assert not make_plan(files, observe(files), check_mode=False).changed
    assert apply(*files) == []
    assert snapshot(tree) == before


def test_attributes_alone_keep_the_inode(tree: Path) -> None:
    before = (tree / "key").stat()
    apply(wanted(tree / "key", "old key", mode=0o440))
    after = (tree / "key").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert stat.S_IMODE(after.st_mode) == 0o440


def test_a_link_is_replaced_not_followed(tree: Path) -> None:
    apply(wanted(tree / "link", "mine"))
    assert not (tree / "link").is_symlink()
    assert (tree / "a").read_text() == "old a"


def test_a_link_to_a_directory_counts_as_the_directory(tree: Path) -> None:
    (tree / "data").symlink_to("empty")
    apply(wanted(tree / "data", state="directory", mode=0o700))
    assert (tree / "data").is_symlink()
    assert stat.S_IMODE((tree / "empty").stat().st_mode) == 0o700


def test_a_new_file_is_never_wider_than_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.open

    def spy(path: object, flags: int, mode: int = 0o777, **more: object) -> int:
        if flags & os.O_CREAT:
            seen.append(mode)
        return real(path, flags, mode, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", spy)
    apply(wanted(tmp_path / "key", "secret", mode=0o644))
    assert seen == [0o600]


@pytest.mark.parametrize("failing", ["new.d/b", "a", "key", "link", "empty"])
def test_a_failure_anywhere_takes_everything_back(tree: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    target = str(tree / failing)
    before = snapshot(tree)

    broken = []

    def break_for(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def step(path: object, *rest: object, **more: object) -> object:
            if str(path) == target and not broken:
                broken.append(name)
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, *rest, **more)

        monkeypatch.setattr(owner, name, step)

    break_for(transaction, "write_file")
    break_for(os, "chown")
    break_for(Path, "unlink")
    break_for(Path, "rmdir")
    with pytest.raises(OpsError) as caught:
        apply(*every_change(tree))
    monkeypatch.undo()
    assert snapshot(tree) == before
    assert caught.value.message == f"{target}: No space left on device, and nothing was changed"
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_unexpected_error_takes_everything_back_too(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(tree)

    real = os.chown

    def fail(*_: object) -> None:
        monkeypatch.setattr(os, "chown", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "chown", fail)
    with pytest.raises(KeyboardInterrupt):
        apply(wanted(tree / "a", "new"), wanted(tree / "key", "old key", mode=0o400))
    monkeypatch.undo()
    assert snapshot(tree) == before


def test_what_cannot_be_taken_back_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "chown", fail)
    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(transaction, "write_file", lambda path, *_, **__: new.rename(path))
    new = tree / "new"
    new.write_text("new")
    with pytest.raises(OpsError, match=f"could not be undone for .*{tree}/a"):
        apply(wanted(tree / "a", "new"), wanted(tree / "key", "old key", mode=0o400))
    saved = [path for path in tree.iterdir() if path.name.endswith(".saved")]
    assert [path.read_text() for path in saved] == ["old a"]


def test_works_on_a_file_system_without_hard_links(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    apply(wanted(tree / "a", "new a"))
    assert (tree / "a").read_text() == "new a"
    assert not list(tree.glob(".*"))


def test_the_previous_file_is_only_read_through_its_path_while_it_is_replaced(tree: Path) -> None:
    with (tree / "a").open() as reader:
        apply(wanted(tree / "a", "new a"))
        assert reader.read() == "old a"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_waits_until_all_is_done(tree: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class SignalError(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise SignalError

    real = transaction.write_file

    def write(path: Path, *rest: object, **more: object) -> None:
        os.kill(os.getpid(), number)
        real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(transaction, "write_file", write)
    previous = signal.signal(number, interrupt)
    try:
        with pytest.raises(SignalError):
            apply(wanted(tree / "a", "new a"), wanted(tree / "b", "new b"))
    finally:
        signal.signal(number, previous)
    assert (tree / "a").read_text() == "new a"
    assert (tree / "b").read_text() == "new b"
    assert not list(tree.glob(".*"))
