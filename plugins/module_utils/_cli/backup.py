# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``keelson backup``: run, list, verify, restore and drill of the backups configured on this host."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._backup import drill as drilling
from .._backup import restore as restoring
from .._backup import take as taking
from .._backup import undo as undoing
from .._backup import verify as verifying
from .._backup.archive import ArchiveDamagedError
from .._backup.backup import Backup, open_backup
from .._backup.extract import extract_to_file, extract_to_stream
from .._backup.manifest import POSTGRES
from .._backup.report import (
    checked_data,
    drill_data,
    listed_data,
    lost_data,
    plan_data,
    restore_plan_data,
    restore_plan_text,
    restored_data,
    taken_data,
    undo_data,
)
from .._backup.restore_plan import Keep, Request
from .._backup.s3_versions import LostPoint, bring_back, find_lost
from .._backup.settings import CONFIG_DIRECTORY, load_settings, with_server
from .._core.duration import parse_duration
from .._core.errors import OpsError
from .._core.hostconfig import configured, only_one
from .._core.table import table
from .area import Area
from .output import Output, duration, size


class DamagedError(OpsError):
    """A verification found damage."""


class TargetMissedError(OpsError):
    """A drill worked and took longer, or lost more, than it may."""


# Errors with exit codes of their own.
DAMAGE = (ArchiveDamagedError, restoring.RestoredDiffersError, DamagedError)
TARGET_MISSED = (TargetMissedError,)


def add_parser(areas: Any, epilog: str) -> None:
    """Add the area's commands to the parser."""
    named = "configured backup; may be left out when there is only one"
    about = "database backups of this host"
    add = Area(areas, "backup", about, named=named, directory=CONFIG_DIRECTORY, epilog=epilog).add
    command = add("run", _run, "take the backups that are due and apply retention")
    command.add_argument("--max-age", help="only when the newest restore point is older, as 20h")
    command.add_argument("--check", action="store_true", help="print what would be taken and deleted")
    command.add_argument("--all", action="store_true", help="every configured backup, also when one of them fails")
    command = add("list", _list, "list restore points")
    command.add_argument("--database", help="only of this database")
    command = add("verify", _verify, "check stored restore points")
    _add_point(command, "latest, an id, or all")
    command.add_argument("--level", choices=verifying.LEVELS, default="read", help="hash, or also read all (default)")
    command = add("restore", _restore, "restore a point, compare it, and put it in its place")
    _add_point(command, "latest, an id, or a time such as 2026-11-22T14:30:00Z for the newest before it")
    _add_restore(command)
    command = add("undo", _undo, "put the database back that the last restore replaced")
    command.add_argument("--database", help="may be left out when the backup has only one")
    command.add_argument("--into", help="the name that was restored to, when not the original's")
    command.add_argument("--old", help="the database to put back (default: the one that the last restore replaced)")
    _add_server(command)
    command = add("clean", _clean, "remove what killed restores and drills left, and databases that restores replaced")
    command.add_argument("--database", help="may be left out when the backup has only one, or to mean all")
    _add_keep(command)
    _add_server(command)
    command = add("extract", _extract, "write out a point's dump, decrypted, decompressed and compared with its hash")
    _add_point(command, "latest or an id")
    command.add_argument("--to", required=True, metavar="FILE", help="a new file, or - for standard output")
    command = add("versions", _versions, "list points that were deleted or overwritten, in buckets that keep versions")
    command.add_argument("--database", help="only of this database")
    command = add("undelete", _undelete, "bring a deleted or overwritten point back from a bucket's versions")
    command.add_argument("--database", help="may be left out when the backup has only one, or to mean all")
    command.add_argument("--point", required=True, help="an id as keelson backup versions shows it")
    command.add_argument("--check", action="store_true", help="print what would be brought back")
    command = add("drill", _drill, "restore as a test, compare, remove everything again, report the time")
    _add_point(command, "latest, an id or a time")
    command.add_argument("--image", help="in a container of its own from this image, or 'same' for that of the server")
    command.add_argument("--rto-target", default="4h", help="how long a recovery may take (default: %(default)s)")
    command.add_argument("--rpo-target", default="24h", help="how old its content may be (default: %(default)s)")


def _add_restore(command: argparse.ArgumentParser) -> None:
    command.add_argument("--into", help="name of the restored database (default: the original's)")
    command.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="SCHEMA.TABLE",
        help="only this table, into a schema restored_<time> beside the live ones; may be repeated",
    )
    command.add_argument("--no-roles", action="store_true", help="do not create roles that the server lacks")
    command.add_argument("--force", action="store_true", help="also when it was restored from this point before")
    _add_keep(command)
    _add_server(command)


def _add_keep(command: argparse.ArgumentParser) -> None:
    command.add_argument("--keep-old", type=int, metavar="N", help="remove older databases that restores replaced")
    command.add_argument("--keep-old-for", metavar="TIME", help="remove those that were replaced longer ago, as 30d")


def _add_server(command: argparse.ArgumentParser) -> None:
    command.add_argument("--confirm", metavar="NAME", help="repeat the name of the database that this replaces")
    command.add_argument("--check", action="store_true", help="print what would be done")
    command.add_argument("--server", type=Path, metavar="FILE", help="another server: JSON with connection options")


def _add_point(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--database", help="may be left out when the backup has only one, or to mean all")
    parser.add_argument("--point", default="latest", help=f"{text} (default: latest)")


def _open(given: argparse.Namespace, output: Output) -> Backup:
    name = given.name or only_one(given.config_dir, "backup")
    settings = load_settings(name, given.config_dir)
    if getattr(given, "max_age", None):
        settings = replace(settings, max_age=parse_duration(given.max_age, "--max-age"))
    else:
        # The configuration's max_age is for Ansible's repeated runs; who runs this command wants a backup.
        settings = replace(settings, max_age=None)
    database = getattr(given, "database", None)
    if database is not None and database not in settings.databases:
        raise OpsError(f"database {database} is not part of backup {name} (it has {', '.join(settings.databases)})")
    return open_backup(settings, reporter=output)


def _databases(given: argparse.Namespace, backup: Backup) -> tuple[str, ...]:
    return (given.database,) if given.database else backup.settings.databases


def _run(given: argparse.Namespace, output: Output) -> None:
    if not given.all:
        done = _take(given, output)
    elif given.name is not None:
        raise OpsError("give a name or --all, not both")
    else:
        done = _take_all(given, output)
    output.result({"databases": done}, [(_planned_line if given.check else _taken_line)(item) for item in done])


def _take_all(given: argparse.Namespace, output: Output) -> list[dict[str, Any]]:
    names = configured(given.config_dir)
    if not names:
        raise OpsError(f"no backup is configured in {given.config_dir}")
    done: list[dict[str, Any]] = []
    failed: list[str] = []
    for name in names:
        # One backup's trouble must not keep the others from being taken.
        try:
            done += _take(argparse.Namespace(**{**vars(given), "name": name}), output)
        except OpsError as error:
            failed.append(f"backup {name}: {error.message}")
    if failed:
        raise OpsError("; ".join(failed), databases=done)
    return done


def _take(given: argparse.Namespace, output: Output) -> list[dict[str, Any]]:
    backup = _open(given, output)
    if given.check:
        return [plan_data(plan) for plan in taking.plan(backup)]
    return [taken_data(taken) for taken in taking.take(backup)]


def _planned_line(item: dict[str, Any]) -> str:
    line = f"{item['database']}: would {'take a backup' if item['take'] else 'take none'} ({item['reason']})"
    return line + "".join(f"\n  would delete {gone['id']} from {gone['destination']}" for gone in item["delete"])


def _taken_line(item: dict[str, Any]) -> str:
    if not item["take"]:
        return f"{item['database']}: nothing to do, {item['reason']}"
    rows = f"{item['rows']} rows in {item['tables']} tables, " if item["source"] == POSTGRES else ""
    return (
        f"{item['database']}: {item['id']} published, {size(item['bytes'])} in {duration(item['seconds'])}, "
        f"{rows}{len(item['delete'])} deleted, {item['retained']} retained"
    )


def _list(given: argparse.Namespace, output: Output) -> None:
    backup = _open(given, output)
    found = [listed_data(item) for item in verifying.list_points(backup, _databases(given, backup))]
    rows = [
        (
            i["id"],
            i["database"],
            size(i.get("bytes", 0)),
            i.get("server_version", ""),
            i["destination"],
            i["fault"] or "",
        )
        for i in found
    ]
    head = ("POINT", "DATABASE", "SIZE", "SERVER", "DESTINATION", "FAULT")
    output.result({"points": found}, table(head, rows) if rows else ["no restore points"])


def _verify(given: argparse.Namespace, output: Output) -> None:
    backup = _open(given, output)
    chosen = verifying.select(backup, _databases(given, backup), given.point)
    checked = [checked_data(item) for item in verifying.verify(backup, chosen, given.level)]
    bad = [item for item in checked if not item["ok"]]
    if bad:
        text = "; ".join(f"{item['id']} of {item['database']}: {item['fault']}" for item in bad)
        raise DamagedError(text, points=checked)
    lines = [f"{i['database']}: {i['id']} in {i['destination']} is whole ({i['level']})" for i in checked]
    output.result({"points": checked}, lines)


def _one_database(given: argparse.Namespace, backup: Backup) -> str:
    databases = _databases(given, backup)
    if len(databases) != 1:
        raise OpsError(f"say which database with --database (one of {', '.join(databases)})")
    return databases[0]


def _server(given: argparse.Namespace, backup: Backup) -> Backup:
    """The backup with the server of --server, if there is one."""
    if given.server is None:
        return backup
    try:
        options = json.loads(given.server.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OpsError(f"--server {given.server}: {error}") from None
    if not isinstance(options, dict):
        raise OpsError(f"--server {given.server}: not an object of connection options")
    return replace(backup, settings=with_server(backup.settings, options, "--server"))


def _keep(given: argparse.Namespace) -> Keep:
    seconds = None if given.keep_old_for is None else parse_duration(given.keep_old_for, "--keep-old-for")
    return Keep(given.keep_old, seconds)


def _restore(given: argparse.Namespace, output: Output) -> None:
    backup = _server(given, _open(given, output))
    request = Request(
        database=_one_database(given, backup),
        point=given.point,
        into=given.into,
        tables=tuple(given.table),
        confirm=given.confirm,
        create_roles=not given.no_roles,
        keep=_keep(given),
        force=given.force,
    )
    if given.check:
        planned = restore_plan_data(restoring.plan_restore(backup, request))
        output.result(planned, [(restore_plan_text(planned) or f"nothing to do: {planned['reason']}").rstrip()])
        return
    data = restored_data(restoring.restore(backup, request))
    output.result(data, _restored_lines(data))


def _undo(given: argparse.Namespace, output: Output) -> None:
    backup = _server(given, _open(given, output))
    request = Request(_one_database(given, backup), into=given.into, confirm=given.confirm)
    data = undo_data(undoing.undo(backup, request, given.old, check=given.check))
    would = "would be " if given.check else ""
    line = f"{data['into']}: {data['reason']}"
    output.result(data, [f"{line}; the present one {would}renamed to {data['set_aside']}" if data["changed"] else line])


def _clean(given: argparse.Namespace, output: Output) -> None:
    backup = _server(given, _open(given, output))
    removed = [] if given.check else list(drilling.clean_drills(backup))
    for database in _databases(given, backup):
        removed += undoing.clean(backup, database, _keep(given), given.confirm, check=given.check).remove
    what = "would remove" if given.check else "removed"
    output.result({"changed": bool(removed), "removed": removed}, [f"{what}: {', '.join(removed) or 'nothing'}"])


def _extract(given: argparse.Namespace, output: Output) -> None:
    backup = _open(given, output)
    database = _one_database(given, backup)
    if given.to == "-":
        extract_to_stream(backup, database, given.point, sys.stdout.buffer)
        return
    data = listed_data(extract_to_file(backup, database, given.point, Path(given.to).absolute()))
    output.result({**data, "to": given.to}, [f"{data['database']}: {data['id']} is in {given.to}"])


def _lost(given: argparse.Namespace, output: Output) -> list[LostPoint]:
    backup = _open(given, output)
    return find_lost(backup.storages, _databases(given, backup))


def _versions(given: argparse.Namespace, output: Output) -> None:
    lost = _lost(given, output)
    rows = [
        (i["id"], i["database"], i["state"], i["changed_at"], size(i["bytes"]), i["destination"])
        for i in map(lost_data, lost)
    ]
    head = ("POINT", "DATABASE", "STATE", "SINCE", "SIZE", "DESTINATION")
    output.result({"points": [lost_data(item) for item in lost]}, table(head, rows) if rows else ["nothing was lost"])


def _undelete(given: argparse.Namespace, output: Output) -> None:
    lost = [item for item in _lost(given, output) if item.point.id == given.point]
    if not lost:
        raise OpsError(
            f"no destination has versions of a lost point {given.point} (keelson backup versions lists them)"
        )
    points = []
    for item in lost:
        keys = [o.key for o in item.objects if o.state != "present"] if given.check else bring_back(item)
        points.append({**lost_data(item), "objects": keys})
    what = "would be brought back" if given.check else "is back; verify it now"
    output.result({"points": points}, [f"{i['database']}: {i['id']} in {i['destination']} {what}" for i in points])


def _drill(given: argparse.Namespace, output: Output) -> None:
    backup = _open(given, output)
    targets = drilling.Targets(
        parse_duration(given.rto_target, "--rto-target"), parse_duration(given.rpo_target, "--rpo-target")
    )
    done = [
        drill_data(drilling.drill(backup, database, given.point, image=given.image), targets)
        for database in _databases(given, backup)
    ]
    missed = [f"{data['database']}: {text}" for data in done for text in data["missed"]]
    if missed:
        raise TargetMissedError("; ".join(missed), drills=done)
    lines = [line for data in done for line in _restored_lines(data, "restored, compared and removed again")]
    output.result({"drills": done}, lines)


def _restored_lines(data: dict[str, Any], what: str | None = None) -> list[str]:
    into = f"schema {data['schema']} of {data['into']}" if data["schema"] else data["into"]
    if not data["changed"]:
        return [f"{data['database']}: nothing to do, {data['id']} is in {into} already"]
    lines = [
        f"{data['database']}: {data['id']} {what or f'restored into {into}'} in {duration(data['rto_seconds'])}; "
        f"{data['rows']} rows in {data['tables']} tables equal the backup, which is {duration(data['rpo_seconds'])} old"
    ]
    if data["set_aside"] and data["outage_seconds"] is not None:
        lines.append(
            f"  the database from before is kept as {data['set_aside']}; "
            f"nobody could connect for {data['outage_seconds'] * 1000:.0f} ms"
        )
    lines += [f"  created role {role}" for role in data["created_roles"]]
    lines += [f"  removed {name}" for name in data["removed"]]
    return lines + [f"  warning: {text}" for text in data["warnings"]]
