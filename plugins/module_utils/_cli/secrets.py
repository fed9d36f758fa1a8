# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``keelson secrets``: list, check, rotate, roll back and deliver the secrets configured on this host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .._core.clock import SystemClock
from .._core.errors import OpsError
from .._core.hostconfig import configured
from .._core.table import table
from .._secrets.application import Application
from .._secrets.rotate import run_rotation
from .._secrets.settings import CONFIG_DIRECTORY, Settings, SuppliedApplication, load_settings
from .area import Area, Run
from .output import Output

# Errors with exit codes of their own.
DAMAGE: tuple[type[OpsError], ...] = ()
TARGET_MISSED: tuple[type[OpsError], ...] = ()
CREATION_SECONDS = 120.0
NO_OVERLAP = "0s"
HEAD = ("APPLICATION", "SECRET", "PHASE", "CREATED", "DUE", "NEXT")


def add_parser(areas: Any, epilog: str) -> None:
    """Add the area's commands to the parser."""
    named = "configured application; all of them when left out"
    about = "secrets of this host's applications, rotated without an outage"
    area = Area(areas, "secrets", about, named=named, directory=CONFIG_DIRECTORY, epilog=epilog)

    def add(name: str, run: Run, text: str, *, several: bool = True) -> argparse.ArgumentParser:
        parser = area.add(name, run, text)
        if several:
            parser.add_argument("--secret", action="append", default=[], help="only this one; can be repeated")
        return parser

    add("list", _list, "list the configured secrets, without asking any store", several=False)
    add("check", _check, "show how old the secrets are and what would be done; change nothing")
    add("create", _create, "make the secrets that are missing and write the application's files; tell nobody")
    command = add("rotate", _rotate, "rotate what is due, go on with what was interrupted, revoke what is over")
    command.add_argument("--force", action="store_true", help="rotate whatever the age")
    until = command.add_mutually_exclusive_group()
    until.add_argument(
        "--announce", action="store_true", help="only let consumers accept the secrets to come, where they have to"
    )
    until.add_argument("--revoke", action="store_true", help="only revoke the old ones, without waiting any longer")
    add("rollback", _roll_back, "make the secrets from before the last rotation current again, while they still work")
    command = add("deliver", _deliver, "write the application's files anew where they differ", several=False)
    command.add_argument("--apply", action="store_true", help="then have the application use them, where one differed")


def _chosen(given: argparse.Namespace) -> list[Settings]:
    names = [given.name] if given.name else configured(given.config_dir)
    if not names:
        raise OpsError(f"no secrets are configured in {given.config_dir}")
    return [load_settings(name, given.config_dir) for name in names]


def _warn(text: str) -> None:
    sys.stderr.write(f"keelson: {text}\n")


def _supplied(settings: Settings) -> Callable[[Application], Application]:
    return lambda inner: SuppliedApplication(settings, inner, SystemClock())


def _run(given: argparse.Namespace, output: Output, change: Mapping[str, Any], *, check: bool = False) -> None:
    done: list[dict[str, Any]] = []
    failed: list[OpsError] = []
    files: list[str] = []
    for settings in _chosen(given):
        # One application's trouble must not keep the others' secrets from being rotated.
        try:
            if settings.rotates or check:
                options = {**settings.only(given.secret), **change}
                if options["state"] == "rolled_back" and not given.secret:
                    options["secrets"] = _that_can_go_back(options)
                done += _rotated(settings, options, check=check)
            if not check and change.get("until") is None:
                # What was revoked must leave the application too; and this may be a host that rotates nothing itself.
                files += map(str, settings.supply(settings.application(_warn), SystemClock()))
        except OpsError as error:
            failed.append(error)
            done += _named(settings, error.facts.get("secrets"))
    if failed:
        raise OpsError("; ".join(error.message for error in failed), secrets=done, files=files)
    changed = bool(files) or any(fact["changed"] for fact in done)
    lines = table(HEAD, [_row(fact) for fact in done]) if done else ["nothing is rotated here"]
    output.result({"changed": changed, "secrets": done, "files": files}, lines)


def _that_can_go_back(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The secrets that have an earlier version which works, or are under way. Raises OpsError when there is none."""
    try:
        facts: Any = run_rotation(options, check=True, tell=_warn)["secrets"]
    except OpsError as error:
        facts = error.facts.get("secrets")
        refused = [fact for fact in facts or () if fact["action"] == "refuse"]
        if not facts or len(refused) == len(facts) or any(fact["error"] for fact in facts if fact not in refused):
            raise
    names = {fact["name"] for fact in facts if fact["action"] != "refuse"}
    return [entry for entry in options["secrets"] if entry["name"] in names]


def _rotated(settings: Settings, options: dict[str, Any], *, check: bool) -> list[dict[str, Any]]:
    if options["overlap"] == NO_OVERLAP:
        options["secrets"] = [{**entry, "overlap": None} for entry in options["secrets"]]
    result = run_rotation(options, check=check, tell=_warn, around=_supplied(settings))
    return _named(settings, result["secrets"])


def _named(settings: Settings, facts: Any) -> list[dict[str, Any]]:
    prefix = f"{settings.name}."
    return [
        {"application": settings.name, **fact, "name": str(fact["name"]).removeprefix(prefix)} for fact in facts or ()
    ]


def _create(given: argparse.Namespace, output: Output) -> None:
    done: list[dict[str, Any]] = []
    files: list[str] = []
    for settings in _chosen(given):
        if settings.rotates:
            options = {**settings.only(given.secret), "state": "present", "apply": None}
            done += _named(settings, run_rotation(options, check=False, tell=_warn)["secrets"])
        files += map(str, settings.deliver(SystemClock(), 0.0 if settings.rotates else CREATION_SECONDS))
    changed = bool(files) or any(fact["changed"] for fact in done)
    output.result({"changed": changed, "secrets": done, "files": files}, table(HEAD, [_row(fact) for fact in done]))


def _row(fact: Mapping[str, Any]) -> tuple[str, ...]:
    days = [str(fact[name] or "-")[:10] for name in ("created", "due")]
    return (fact["application"], fact["name"], fact["phase"] or "-", *days, f"{fact['action']}: {fact['reason']}")


def _list(given: argparse.Namespace, output: Output) -> None:
    rows = []
    for settings in _chosen(given):
        for entry in settings.options["secrets"]:
            store = {**(settings.options["store"] or {}), **(entry["store"] or {})}
            rows.append(
                {
                    "application": settings.name,
                    "secret": entry["name"],
                    "store": store.get("type", ""),
                    "target": (entry["target"] or {}).get("type", "none"),
                    "max_age": entry["max_age"] or settings.options["max_age"],
                    "rotated_here": settings.rotates,
                }
            )
    lines = [(*(str(row[key]) for key in list(row)[:5]), "yes" if row["rotated_here"] else "no") for row in rows]
    head = ("APPLICATION", "SECRET", "STORE", "TARGET", "MAX AGE", "ROTATED HERE")
    output.result({"secrets": rows}, table(head, lines))


def _check(given: argparse.Namespace, output: Output) -> None:
    _run(given, output, {}, check=True)


def _rotate(given: argparse.Namespace, output: Output) -> None:
    if given.revoke:
        _run(given, output, {"state": "present", "overlap": NO_OVERLAP})
    else:
        _run(given, output, {"force": given.force, "until": "announced" if given.announce else None})


def _roll_back(given: argparse.Namespace, output: Output) -> None:
    _run(given, output, {"state": "rolled_back"})


def _deliver(given: argparse.Namespace, output: Output) -> None:
    changed: list[str] = []
    for settings in _chosen(given):
        application = settings.application(_warn) if given.apply else None
        changed += [str(path) for path in settings.supply(application, SystemClock())]
    output.result({"changed": bool(changed), "files": changed}, changed or ["nothing differs"])
