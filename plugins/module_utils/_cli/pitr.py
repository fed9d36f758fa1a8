# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``keelson pitr``: point-in-time recovery of the clusters configured on this host."""

from __future__ import annotations

import argparse
from typing import Any

from .._core.errors import OpsError
from .._core.hostconfig import only_one
from .._core.table import table
from .._pitr import recovery as recovering
from .._pitr import restore as restoring
from .._pitr.beside import RecoveryError
from .._pitr.drill import drill
from .._pitr.plan import NOTHING, plan_lines
from .._pitr.recovery import Recovery, open_recovery
from .._pitr.report import drill_data, plan_data, repository_data, result_data
from .._pitr.repository import TYPES
from .._pitr.settings import CONFIG_DIRECTORY, load_settings
from .._pitr.target import parse_target
from .area import Area
from .output import Output, duration, size

# Errors with exit codes of their own.
DAMAGE = (RecoveryError,)
TARGET_MISSED: tuple[type[OpsError], ...] = ()


def add_parser(areas: Any, epilog: str) -> None:
    """Add the area's commands to the parser."""
    named = "configured cluster; may be left out when there is only one"
    about = "point-in-time recovery of this host's PostgreSQL clusters"
    add = Area(areas, "pitr", about, named=named, directory=CONFIG_DIRECTORY, epilog=epilog).add
    command = add("init", _init, "create the stanza and take a first full backup, where they are missing")
    command.add_argument("--upgrade", action="store_true", help="also when the repository holds another cluster")
    add("status", _status, "show backups and the state of the archive, and publish metrics")
    add("check", _check, "have a segment of WAL archived and look for it in the repository")
    command = add("backup", _backup, "take a backup; retention is applied after it")
    command.add_argument("--type", choices=TYPES, default="incr", help="default: %(default)s")
    command = add("restore", _restore, "recover to a point in time beside the live cluster, and switch to it")
    command.add_argument("--to", required=True, metavar="TIME", help="as '2026-11-22 10:00:00+00', or latest")
    command.add_argument("--confirm", metavar="NAME", help="the cluster's name: switch to what was restored")
    command.add_argument("--again", action="store_true", help="even if it was restored to this time before")
    command.add_argument("--check", action="store_true", help="print what would be done")
    command = add(
        "discard", _discard, "remove the data from before a switch, and what was restored but not switched to"
    )
    command.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name")
    add("drill", _drill, "recover to a point between two known rows in a throw-away directory, and report the time")


def _open(given: argparse.Namespace, output: Output) -> Recovery:
    name = given.name or only_one(given.config_dir, "cluster")
    return open_recovery(load_settings(name, given.config_dir), reporter=output)


def _show(recovery: Recovery, output: Output) -> None:
    data = repository_data(*recovering.status(recovery))
    rows = [
        (
            i["label"],
            i["type"],
            i["ended"],
            size(i["bytes"]),
            size(i["stored_bytes"]),
            "damaged" if i["damaged"] else "",
        )
        for i in data["backups"]
    ]
    lines = table(("BACKUP", "TYPE", "ENDED", "SIZE", "STORED", "FAULT"), rows) if rows else ["no backups"]
    archive = data["archive"]
    if archive is None:
        lines.append("the server does not answer")
    else:
        waiting = f"{archive['waiting_segments']} segments wait for {duration(archive['waiting_seconds'])}"
        lines.append(f"archive up to {data['wal_last']}; {waiting}{'; archiving fails' if archive['failing'] else ''}")
    if data["earliest_target"]:
        lines.append(f"any time since {data['earliest_target']} can be restored")
    output.result(data, lines)
    if data["problem"]:
        raise OpsError(f"pgBackRest says about the repository: {data['problem']}")


def _init(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    plan = recovering.plan_stanza(recovery, upgrade=given.upgrade)
    if plan.changes:
        recovering.ensure_stanza(recovery, plan)
    data = {"created": plan.create, "upgraded": plan.upgrade, "first_backup": plan.first_backup}
    output.result(data, [f"{recovery.settings.name}: ready" if plan.changes else "nothing to do"])


def _status(given: argparse.Namespace, output: Output) -> None:
    _show(_open(given, output), output)


def _check(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    recovering.check(recovery)
    output.result({"ok": True}, [f"{recovery.settings.name}: archiving works"])


def _backup(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    newest = recovering.backup(recovery, given.type).backups[-1]
    data = {"label": newest.label, "type": newest.kind, "bytes": newest.size, "stored_bytes": newest.stored}
    took = duration((newest.ended - newest.began).total_seconds())
    output.result(
        data, [f"{newest.label} ({newest.kind}): {size(newest.stored)} of {size(newest.size)} stored in {took}"]
    )


def _restore(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    plan, live = restoring.plan(recovery, parse_target(given.to), confirm=given.confirm, again=given.again)
    name = recovery.settings.name
    if given.check or plan.action == NOTHING:
        output.result({"plan": plan_data(plan)}, plan_lines(plan, live, name))
        return
    result = restoring.apply(recovery, plan, live)
    if result is None:
        return
    where = result.volume or result.directory
    if result.switched:
        lines = [
            f"{name} is as it was at {result.target}; {duration(result.outage_seconds or 0)} without a server",
            f"the data from before is kept in {where}; once it is proven: keelson pitr discard {name} --confirm {name}",
            "take a full backup now: keelson pitr backup --type full",
        ]
    else:
        lines = [
            f"restored to {result.target} and verified in {duration(result.restore_seconds)}, in {where}",
            f"the live server is untouched; to switch: keelson pitr restore {name} --to '{given.to}' --confirm {name}",
        ]
    output.result({"plan": plan_data(plan), **result_data(result)}, lines)


def _discard(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    removed = restoring.discard(recovery, given.confirm)
    output.result({"removed": removed}, [f"removed {what}" for what in removed] or ["there is nothing to remove"])


def _drill(given: argparse.Namespace, output: Output) -> None:
    recovery = _open(given, output)
    data = drill_data(drill(recovery))
    line = f"recovered {size(data['bytes'])} to {data['target']} and verified in {duration(data['rto_seconds'])}"
    output.result(data, [f"{recovery.settings.name}: {line}; removed again"])
