# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery to a point in time beside the live cluster, and the switch to it, which keeps what was there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .._core.command import CommandFailed
from .._core.errors import OpsError
from .beside import POLL_SECONDS, check_assertions, recovered
from .cluster import LONG, Place, ask, free_space, observe
from .exchange import exchange
from .plan import RESTORE, SWITCH, Live, Prepared, RestorePlan, check_space, plan_restore
from .recovery import Recovery, check, read_repository
from .repository import StoredBackup
from .target import Target

READY_SECONDS = 300.0
_NEWEST = "SELECT extract(epoch FROM pg_last_xact_replay_timestamp())"


@dataclass(frozen=True, slots=True)
class Result:
    """``directory`` and ``volume`` hold what was restored, or after the switch what was live before.

    ``newest`` is when the last transaction in what was restored was committed, in seconds since the epoch.
    """

    target: str
    switched: bool
    directory: str
    volume: str | None
    restore_seconds: float
    outage_seconds: float | None
    newest: float | None


def plan(recovery: Recovery, target: Target, *, confirm: str | None, again: bool) -> tuple[RestorePlan, Live]:
    """Decide what a restore would do. Raises OpsError."""
    if confirm is not None and confirm != recovery.settings.name:
        raise OpsError(f"confirm {confirm!r} is not the name of the cluster, {recovery.settings.name!r}")
    state = recovery.state.read()
    live = observe(recovery.cluster)
    decided = plan_restore(
        read_repository(recovery),
        live,
        target,
        recovery.clock.now(),
        prepared=recovery.state.prepared(),
        switched=state.get("switched"),
        confirmed=confirm is not None,
        again=again,
    )
    if decided.action == RESTORE:
        parent = Path(live.directory).parent
        check_space(decided.needed, free_space(parent), str(parent))
    return decided, live


def apply(recovery: Recovery, decided: RestorePlan, live: Live) -> Result | None:
    """Carry out the plan; None when there was nothing to do. Raises OpsError, with the live cluster as it was."""
    with recovery.locked("restore"):
        prepared = recovery.state.prepared()
        if decided.action == RESTORE:
            _forget_prepared(recovery, prepared)
            prepared = _prepare(recovery, decided, live)
        if decided.action not in (RESTORE, SWITCH) or prepared is None:
            return None
        outage = _switch(recovery, prepared) if decided.switch else None
        return Result(
            target=prepared.target,
            switched=decided.switch,
            directory=prepared.directory,
            volume=prepared.volume,
            restore_seconds=prepared.seconds,
            outage_seconds=outage,
            newest=prepared.newest,
        )


def bring_back(recovery: Recovery, place: Place, backup: StoredBackup, target: Target, timeline: str) -> None:
    """Restore ``backup`` into ``place``, set up to recover to the target. Raises OpsError."""
    recovery.reporter.step(f"restoring backup {backup.label} into {place.path}")
    # Of PostgreSQL, only a recovery with a target takes an action at it.
    goal = (
        ("--type=default",)
        if target.time is None
        else ("--type=time", f"--target={target.text}", "--target-action=promote")
    )
    options = (f"--repo={backup.repository}", f"--set={backup.label}", f"--target-timeline={timeline}")
    command = recovery.cluster.pgbackrest(*goal, *options, "restore", place=place)
    recovery.cluster.runner.run(command, timeout=LONG)


def archive_beyond_now(recovery: Recovery) -> None:
    """See a commit of this moment archived: recovery to a time needs one after it to know that it has got there."""
    ask(recovery.cluster, "SELECT pg_logical_emit_message(true, 'keelson-pitr', '')")
    check(recovery)


def _prepare(recovery: Recovery, decided: RestorePlan, live: Live) -> Prepared:
    backup = decided.backup
    if backup is None:
        raise OpsError("there is no backup to restore from")
    if live.running and _answers(recovery) and decided.timeline != "latest":
        archive_beyond_now(recovery)
    cluster, began = recovery.cluster, recovery.clock.monotonic()
    place = cluster.make_place(f"{recovery.clock.now():%Y%m%dt%H%M%Sz}")
    try:
        bring_back(recovery, place, backup, decided.target, decided.timeline)
        recovery.reporter.step(f"recovering to {decided.target.text}")
        timeout = recovery.settings.recovery_timeout
        with recovered(cluster, place, archive=True, timeout=timeout, clock=recovery.clock):
            recovery.reporter.step("verifying")
            check_assertions(cluster, recovery.settings.assertions)
            # Nothing is replayed of a cluster in which nothing happened after the backup.
            newest = ask(cluster, _NEWEST, beside=True) or str(backup.ended.timestamp())
    except BaseException as error:
        with suppress(OpsError, OSError):
            cluster.remove_place(place)
        recovery.state.audit({"event": "restore failed", "target": decided.target.text, "error": type(error).__name__})
        raise
    seconds = round(recovery.clock.monotonic() - began, 3)
    prepared = Prepared(
        decided.target.text,
        backup.label,
        str(place.path),
        place.volume,
        place.path.stat().st_ino,
        seconds,
        float(newest),
    )
    recovery.state.update(prepared=asdict(prepared))
    recovery.state.audit({"event": "restored beside", **asdict(prepared)})
    return prepared


def _switch(recovery: Recovery, prepared: Prepared) -> float:
    """Exchange the directories; seconds without a server. Raises OpsError after having put everything back."""
    cluster, clock = recovery.cluster, recovery.clock
    live, restored = cluster.live.path, Path(prepared.directory)
    recovery.reporter.step("stopping the live server")
    began = clock.monotonic()
    if cluster.running():
        cluster.stop()
    # A run that was killed after the exchange is only completed.
    if live.stat().st_ino != prepared.inode:
        try:
            exchange(live, restored)
        except OSError as error:
            cluster.start()
            raise OpsError(
                f"{live} and {restored} cannot change places ({error.strerror}); the server from before runs again"
            ) from None
    try:
        recovery.reporter.step("starting the restored server")
        cluster.start()
        wait_until_ready(recovery)
    except OpsError as error:
        recovery.reporter.step("it doesn't start; going back to the data from before")
        with suppress(OpsError):
            cluster.stop()
        exchange(live, restored)
        cluster.start()
        recovery.state.audit({"event": "switch failed", "error": error.message})
        raise OpsError(f"the restored server doesn't start, the one from before runs again: {error.message}") from None
    outage = round(clock.monotonic() - began, 3)
    at = f"{clock.now():%Y-%m-%d %H:%M:%S}+00"
    before = {"directory": prepared.directory, "volume": prepared.volume}
    kept = [item for item in recovery.state.kept() if item["directory"] != prepared.directory]
    recovery.state.update(prepared=None, switched={"target": prepared.target, "at": at}, kept=[*kept, before])
    recovery.state.audit({"event": "switched", "target": prepared.target, "kept": prepared.directory})
    return outage


def wait_until_ready(recovery: Recovery) -> None:
    """Wait until the live server takes writes. Raises OpsError."""
    deadline = recovery.clock.monotonic() + READY_SECONDS
    while True:
        try:
            if ask(recovery.cluster, "SELECT pg_is_in_recovery()") == "f":
                return
        except CommandFailed as error:
            if recovery.clock.monotonic() >= deadline:
                raise OpsError(f"no answer within {READY_SECONDS:g} s: {error.message}") from None
        recovery.clock.sleep(POLL_SECONDS)


def discard(recovery: Recovery, confirm: str) -> list[str]:
    """Remove the data from before every switch, and what was restored but never switched to; what was removed.

    Raises OpsError unless ``confirm`` is the cluster's name.
    """
    if confirm != recovery.settings.name:
        raise OpsError(f"confirm {confirm!r} is not the name of the cluster, {recovery.settings.name!r}")
    removed = []
    with recovery.locked("discard"):
        prepared = recovery.state.prepared()
        if prepared is not None:
            _forget_prepared(recovery, prepared)
            removed.append(prepared.volume or prepared.directory)
        for item in recovery.state.kept():
            recovery.cluster.remove_place(Place(Path(str(item["directory"])), item["volume"]))
            removed.append(str(item["volume"] or item["directory"]))
        recovery.state.update(kept=None)
        if removed:
            recovery.state.audit({"event": "discarded", "removed": removed})
    return removed


def _forget_prepared(recovery: Recovery, prepared: Prepared | None) -> None:
    if prepared is not None:
        recovery.cluster.remove_place(Place(Path(prepared.directory), prepared.volume))
        recovery.state.update(prepared=None)


def _answers(recovery: Recovery) -> bool:
    with suppress(CommandFailed):
        ask(recovery.cluster, "SELECT 1")
        return True
    return False
