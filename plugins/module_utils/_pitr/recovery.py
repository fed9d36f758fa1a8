# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster with all that the operations on it share, and the operations that change nothing of its data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .._core.clock import Clock, SystemClock
from .._core.command import CommandFailed, Runner, SubprocessRunner
from .._core.errors import OpsError
from .._core.lock import file_lock
from .cluster import LONG, QUICK, Cluster, ask
from .container_cluster import ContainerCluster
from .host_cluster import HostCluster, check_installed
from .repository import Repository, parse_info
from .settings import Settings
from .state import Archive, State, drill_samples, repository_samples

CHECK_SECONDS = 300.0


class Reporter(Protocol):
    """Who is told what happens."""

    def step(self, text: str) -> None:
        """A step begins."""


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Recovery:
    """A configured cluster."""

    settings: Settings
    cluster: Cluster
    state: State
    clock: Clock
    reporter: Reporter

    @contextmanager
    def locked(self, purpose: str) -> Iterator[None]:
        """Hold the cluster's lock: one restore or drill at a time. Raises LockHeld."""
        with file_lock(self.state.lock_path(), purpose=purpose, timeout=0, clock=self.clock):
            yield


def open_recovery(
    settings: Settings, *, reporter: Reporter | None = None, runner: Runner | None = None, clock: Clock | None = None
) -> Recovery:
    """The cluster that ``settings`` describe. Raises OpsError when it isn't on this host."""
    runner = runner or SubprocessRunner()
    cluster: Cluster
    if settings.in_container:
        cluster = ContainerCluster(settings, runner)
    else:
        check_installed(settings)
        cluster = HostCluster(settings, runner)
    return Recovery(settings, cluster, State(settings), clock or SystemClock(), reporter or Silent())


def read_repository(recovery: Recovery) -> Repository:
    """What is stored of the cluster. Raises OpsError when the repository can't be read."""
    command = recovery.cluster.pgbackrest("--output=json", "info")
    return parse_info(recovery.cluster.runner.run(command, timeout=CHECK_SECONDS).stdout, recovery.settings.name)


_ARCHIVE_QUERY = """
SELECT json_build_object(
  'last_success', extract(epoch FROM a.last_archived_time),
  'failing', coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false),
  'waiting', s.waiting, 'waiting_seconds', s.seconds)
FROM pg_stat_archiver a, (
  SELECT count(*) AS waiting, coalesce(greatest(extract(epoch FROM now() - min(modification)), 0), 0) AS seconds
  FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') s
"""


def read_archive(recovery: Recovery) -> Archive | None:
    """The archiver's state; None when the live server doesn't answer."""
    try:
        return Archive(**json.loads(ask(recovery.cluster, _ARCHIVE_QUERY)))
    except CommandFailed:
        return None


def status(recovery: Recovery) -> tuple[Repository, Archive | None]:
    """What is stored and archived, published as metrics too."""
    archive = read_archive(recovery)
    try:
        repository = read_repository(recovery)
    except OpsError as error:
        # Told to the monitoring too: a repository that can't be read is as good as none.
        repository = Repository(False, error.message, None, (), None, None)
    recovery.state.publish(repository_samples(recovery.settings.name, repository, archive), "repository")
    known = recovery.state.read()
    if repository.backups and "first_backup_at" not in known:
        # Since then a drill has been possible, whatever the retention has removed.
        recovery.state.update(first_backup_at=repository.backups[0].ended.timestamp())
        recovery.state.publish(drill_samples(recovery.settings.name, recovery.state.read()), "drill")
    return repository, archive


def check(recovery: Recovery) -> None:
    """Have a segment archived and wait for it. Raises OpsError."""
    recovery.reporter.step("archiving a segment and looking for it in the repository")
    recovery.cluster.runner.run(recovery.cluster.pgbackrest("check"), timeout=CHECK_SECONDS)


def backup(recovery: Recovery, kind: str) -> Repository:
    """Take a backup; pgBackRest applies the retention after it. Raises OpsError."""
    recovery.reporter.step(f"taking a backup ({kind})")
    ok = False
    try:
        recovery.cluster.runner.run(recovery.cluster.pgbackrest(f"--type={kind}", "backup"), timeout=LONG)
        ok = True
    finally:
        recovery.state.audit({"event": "backup", "type": kind, "ok": ok})
    return status(recovery)[0]


@dataclass(frozen=True, slots=True)
class StanzaPlan:
    """What is missing before recovery to a point in time is possible."""

    create: bool
    upgrade: bool
    first_backup: bool

    @property
    def changes(self) -> bool:
        return self.create or self.upgrade or self.first_backup

    @property
    def lines(self) -> list[str]:
        """What would be done, for people."""
        texts = (
            (self.create, "create the stanza"),
            (self.upgrade, "begin the history of this cluster in the repository, beside that of the one before"),
            (self.first_backup, "take a full backup"),
        )
        return [text for wanted, text in texts if wanted]


def plan_stanza(recovery: Recovery, *, upgrade: bool = False, first_backup: bool = True) -> StanzaPlan:
    """Decide what ``ensure_stanza`` does; without ``first_backup`` it takes none.

    Raises OpsError when the server doesn't archive with pgBackRest, and, without ``upgrade``, when the repository
    holds another cluster.
    """
    settings = ask(
        recovery.cluster,
        "SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('archive_mode', 'archive_command')",
    )
    check_archiving(json.loads(settings), recovery.settings)
    repository = read_repository(recovery)
    own = int(ask(recovery.cluster, "SELECT system_identifier FROM pg_control_system()"))
    another = repository.exists and repository.system_id is not None and repository.system_id != own
    if another and not upgrade:
        name = recovery.settings.name
        raise OpsError(
            f"the repository holds another cluster (system identifier {repository.system_id}, this one is {own}); "
            f"to have that one back: keelson pitr restore {name} --to latest; "
            f"to go on with this one (the backups of that one stay, and expire): keelson pitr init {name} --upgrade"
        )
    have = [backup for backup in repository.of_kind("full") if backup.system_id in (None, own)]
    return StanzaPlan(create=not repository.exists, upgrade=another, first_backup=first_backup and not have)


def check_archiving(found: dict[str, str], settings: Settings) -> None:
    """Raise OpsError unless the server archives with pgBackRest. Pure."""
    wanted = f"pgbackrest --stanza={settings.name} archive-push %p"
    if found.get("archive_mode") not in ("on", "always") or "pgbackrest" not in found.get("archive_command", ""):
        where = "the service's command" if settings.in_container else "its configuration"
        raise OpsError(
            f"the server doesn't archive with pgBackRest (archive_mode is {found.get('archive_mode')!r}, "
            f"archive_command {found.get('archive_command')!r}); set archive_mode=on and "
            f"archive_command={wanted!r} in {where} and restart it"
        )


def ensure_stanza(recovery: Recovery, plan: StanzaPlan) -> None:
    """Create the stanza, see a segment archived, and take a first full backup, whatever of it is missing."""
    if plan.create:
        recovery.reporter.step("creating the stanza")
        recovery.cluster.runner.run(recovery.cluster.pgbackrest("stanza-create"), timeout=QUICK)
        recovery.state.audit({"event": "stanza created"})
    if plan.upgrade:
        recovery.reporter.step("beginning the history of this cluster in the repository")
        recovery.cluster.runner.run(recovery.cluster.pgbackrest("stanza-upgrade"), timeout=QUICK)
        recovery.state.audit({"event": "stanza upgraded"})
    check(recovery)
    if plan.first_backup:
        backup(recovery, "full")
