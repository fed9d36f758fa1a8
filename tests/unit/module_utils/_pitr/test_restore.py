# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring beside the live cluster and switching to it, on directories of this test with a server that is acted."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import Assertion
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandFailed, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._pitr import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._pitr.cluster import Place
from ansible_collections.keelson.ops.plugins.module_utils._pitr.plan import RESTORE, SWITCH, Live, RestorePlan
from ansible_collections.keelson.ops.plugins.module_utils._pitr.recovery import Recovery, Silent
from ansible_collections.keelson.ops.plugins.module_utils._pitr.repository import StoredBackup
from ansible_collections.keelson.ops.plugins.module_utils._pitr.restore import Result, apply, discard
from ansible_collections.keelson.ops.plugins.module_utils._pitr.settings import Settings
from ansible_collections.keelson.ops.plugins.module_utils._pitr.state import State
from ansible_collections.keelson.ops.plugins.module_utils._pitr.target import parse_target

BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc)
TARGET = parse_target("2026-11-22 09:00:00+00")
BACKUP = StoredBackup("L", "full", BEGIN, BEGIN, 1, 1, 1, 5, "", False)


@dataclass
class Clock:
    seconds: float = 0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Acted:
    """A cluster whose server answers from what lies in its directory; ``recovering`` answers come before the last."""

    folder: Path
    name: str = "main"
    up: bool = True
    recovering: int = 3
    asserted: str = "t"
    newest: str = "1795337999.5"
    dies: str | None = None
    slow_start: int = 0
    starts: Callable[[str], bool] = lambda content: True
    done: list[str] = field(default_factory=list)

    @property
    def runner(self) -> Acted:
        return self

    @property
    def live(self) -> Place:
        return Place(self.folder / "live")

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        words = command.argv
        self.done.append(" ".join(words))
        answer = ""
        if words[0] == "pgbackrest" and "restore" in words:
            (Path(words[-1]) / "content").write_text("restored", encoding="utf-8")
        elif words[0] == "psql-beside" and "pg_is_in_recovery" in words[-1]:
            if self.dies is not None or self.slow_start:
                raise CommandFailed(command, "exit code 2")
            self.recovering -= 1
            answer = "t" if self.recovering >= 0 else "f"
        elif words[0] == "psql-beside" and "pg_last_xact_replay_timestamp" in words[-1]:
            answer = self.newest
        elif words[0] == "psql-beside":
            answer = self.asserted
        elif words[0] == "psql-live":
            if not self.up:
                raise CommandFailed(command, "exit code 2")
            answer = "f"
        return CommandResult(command, 0, answer, "", 0)

    def pgbackrest(self, *arguments: str, place: Place | None = None) -> Command:
        return Command(("pgbackrest", *arguments, *(() if place is None else (str(place.path),))))

    def psql(self, database: str, *, beside: bool = False) -> Sequence[str]:
        return ("psql-beside" if beside else "psql-live", database)

    def control_data(self, place: Place) -> Command:
        return Command(("pg_controldata",))

    def running(self) -> bool:
        return self.up

    def start(self) -> None:
        content = (self.live.path / "content").read_text(encoding="utf-8")
        self.done.append(f"start {content}")
        if not self.starts(content):
            raise CommandFailed(Command(("systemctl",)), "exit code 1")
        self.up = True

    def stop(self) -> None:
        self.done.append("stop")
        self.up = False

    def make_place(self, purpose: str) -> Place:
        place = Place(self.folder / purpose)
        place.path.mkdir()
        return place

    def remove_place(self, place: Place) -> None:
        for path in place.path.iterdir():
            path.unlink()
        place.path.rmdir()

    def start_beside(self, place: Place, *, archive: bool) -> None:
        self.done.append(f"start beside, archive={archive}")

    def alive_beside(self, place: Place) -> bool:
        self.slow_start, before = max(self.slow_start - 1, 0), self.slow_start
        return self.dies is None and not before

    def log_beside(self, place: Place) -> str:
        return self.dies or ""

    def stop_beside(self, place: Place) -> None:
        self.done.append("stop beside")


@pytest.fixture
def cluster(tmp_path: Path) -> Acted:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "content").write_text("old", encoding="utf-8")
    return Acted(tmp_path)


def opened(cluster: Acted, *assertions: Assertion) -> Recovery:
    folder = cluster.folder / "state"
    settings = Settings("main", version="17", assertions=assertions, state_dir=str(folder), audit_log=f"{folder}/audit")
    return Recovery(settings, cluster, State(settings), Clock(), Silent())


def go(recovery: Recovery, action: str = RESTORE, *, switch: bool = False) -> Result:
    plan = RestorePlan(action, "", TARGET, BACKUP if action == RESTORE else None, "3", 1, switch)
    result = apply(recovery, plan, Live(str(recovery.cluster.live.path), True, 5, 3, False, False))
    assert result is not None
    return result


def content(path: Path) -> str:
    return (path / "content").read_text(encoding="utf-8")


def beside(cluster: Acted) -> list[str]:
    return sorted(path.name for path in cluster.folder.iterdir() if path.name not in ("live", "state"))


def test_without_confirmation_the_live_cluster_is_not_touched(cluster: Acted) -> None:
    result = go(opened(cluster))
    assert (content(cluster.live.path), content(Path(result.directory))) == ("old", "restored")
    assert not result.switched
    assert "stop" not in cluster.done


def test_the_restore_waits_until_recovery_is_over_and_follows_the_live_history(cluster: Acted) -> None:
    recovery = opened(cluster)
    cluster.recovering = 100
    assert go(recovery).restore_seconds >= 50
    [restore] = [line for line in cluster.done if "restore" in line and line.startswith("pgbackrest")]
    for option in (
        "--type=time",
        f"--target={TARGET.text}",
        "--target-action=promote",
        "--set=L",
        "--target-timeline=3",
    ):
        assert option in restore.replace(f"--target={TARGET.text}", f"--target={TARGET.text} ")


def test_a_commit_after_the_time_is_archived_first(cluster: Acted) -> None:
    go(opened(cluster))
    order = [
        next(n for n, line in enumerate(cluster.done) if word in line) for word in ("emit_message", "check", "--set=L")
    ]
    assert order == sorted(order)


def test_the_switch_keeps_what_was_there(cluster: Acted) -> None:
    recovery = opened(cluster)
    result = go(recovery, switch=True)
    assert (content(cluster.live.path), content(Path(result.directory))) == ("restored", "old")
    assert result.outage_seconds is not None
    assert recovery.state.prepared() is None
    assert discard(recovery, "main") == [result.directory]
    assert beside(cluster) == []


def test_a_server_that_does_not_start_gives_way_to_the_old_one(cluster: Acted) -> None:
    cluster.starts = lambda content: content == "old"
    with pytest.raises(OpsError, match="the one from before runs again"):
        go(opened(cluster), switch=True)
    assert content(cluster.live.path) == "old"
    assert cluster.up


def test_directories_that_cannot_change_places_leave_the_old_server_running(
    cluster: Acted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(first: Path, second: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", str(first), None, str(second))

    monkeypatch.setattr(restoring, "exchange", refuse)
    with pytest.raises(OpsError, match=r"cannot change places \(Device or resource busy\)"):
        go(opened(cluster), switch=True)
    assert (cluster.up, content(cluster.live.path)) == (True, "old")


def test_a_switch_that_was_killed_after_the_exchange_is_completed(cluster: Acted) -> None:
    recovery = opened(cluster)

    def power_cut(content: str) -> bool:
        raise KeyboardInterrupt

    cluster.starts = power_cut
    with pytest.raises(KeyboardInterrupt):
        go(recovery, switch=True)
    cluster.starts = lambda content: True
    assert content(cluster.live.path) == "restored"
    result = go(recovery, SWITCH, switch=True)
    assert (content(cluster.live.path), content(Path(result.directory))) == ("restored", "old")


def test_a_failed_assertion_leaves_nothing_behind(cluster: Acted) -> None:
    cluster.asserted = "f"
    with pytest.raises(OpsError, match="assertion 'orders' answered 'f'"):
        go(opened(cluster, Assertion("SELECT false", name="orders")), switch=True)
    assert beside(cluster) == []
    assert content(cluster.live.path) == "old"
    assert "stop beside" in cluster.done


def test_an_archive_that_ends_too_early_is_explained(cluster: Acted) -> None:
    cluster.dies = "FATAL:  recovery ended before configured recovery target was reached"
    with pytest.raises(OpsError, match="restore to 'latest'"):
        go(opened(cluster))
    assert beside(cluster) == []


def test_a_server_that_is_slow_to_begin_is_waited_for(cluster: Acted) -> None:
    cluster.slow_start = 20
    assert content(Path(go(opened(cluster)).directory)) == "restored"


def test_a_server_that_never_begins_is_not_waited_for_until_the_end(cluster: Acted) -> None:
    cluster.dies = ""
    recovery = opened(cluster)
    with pytest.raises(OpsError, match="ended during recovery"):
        go(recovery)
    assert recovery.clock.monotonic() < 60


def test_only_the_name_of_the_cluster_removes_old_data(cluster: Acted) -> None:
    recovery = opened(cluster)
    go(recovery)
    with pytest.raises(OpsError, match="not the name"):
        discard(recovery, "other")
    assert len(beside(cluster)) == 1


def test_a_directory_that_is_gone_is_not_switched_to(cluster: Acted) -> None:
    recovery = opened(cluster)
    prepared = Path(go(recovery).directory)
    (prepared / "content").unlink()
    prepared.rmdir()
    assert recovery.state.prepared() is None
