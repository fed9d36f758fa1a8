# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m lab --help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import fleet, images, machine
from .operations import purge, shell, status, tear_down
from .progress import LabError, say
from .provision import bring_up
from .topology import Fleet, parse_host, parse_service

FIRST_HOST_NUMBER = 11


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 when it did what it says."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except LabError as error:
        print(f"\nlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="A local fleet of real systemd hosts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help_text, description=help_text)

    up = command("up", "make the lab's hosts and services, provision them with site.yml, check the result")
    up.add_argument("--hosts", default=os.environ.get("LAB_HOSTS", ""), help="only these hosts, separated by commas")
    up.add_argument("--no-provision", action="store_true", help="bare hosts: leave site.yml to you")
    up.set_defaults(run=lambda o: bring_up(_names(o.hosts), provision=not o.no_provision))
    command("down", "remove the lab's hosts, services, volumes, network and state").set_defaults(
        run=lambda o: tear_down()
    )
    command("purge", "like down, and remove the images and caches as well").set_defaults(run=lambda o: purge())
    command("status", "what runs and where it is reachable").set_defaults(run=lambda o: status())
    inside = command("shell", "log in to a host by SSH")
    inside.add_argument("host")
    inside.add_argument("command", nargs="*", help="run this instead of a login shell")
    inside.set_defaults(run=lambda o: shell(o.host, o.command))
    build = command("images", "build images of the lab")
    build.add_argument("names", nargs="*", help="host:RELEASE, demo:VERSION or a folder of lab/images")
    build.set_defaults(run=lambda o: _build(o.names))
    _add_fleet(commands)
    _add_machine(commands)
    return parser


def _add_fleet(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("fleet", help="fleets of bare hosts beside the lab, for tests")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    up = actions.add_parser("up", help="make a fleet; its inventory is .cache/fleets/NAME/hosts.yml")
    up.add_argument("name")
    up.add_argument("--host", action="append", default=[], metavar="NAME=RELEASE", help="such as web1=trixie")
    up.add_argument("--domain", action="append", default=[], metavar="HOST=DOMAIN", help="a further name of a host")
    up.add_argument("--service", action="append", default=[], help="registry, acme, s3, mail or browser")
    up.set_defaults(run=_fleet_up)
    down = actions.add_parser("down", help="remove a fleet")
    down.add_argument("name")
    down.set_defaults(run=lambda o: fleet.down(o.name))
    push = actions.add_parser("push", help="push a local image to the fleet's registry")
    push.add_argument("name")
    push.add_argument("image")
    push.add_argument("target", metavar="REPOSITORY:TAG")
    push.set_defaults(run=lambda o: fleet.push(o.name, o.image, *_repository_and_tag(o.target)))


def _add_machine(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("machine", help="one virtual machine: a host with a kernel and disks of its own")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    up = actions.add_parser("up", help="start a machine; its inventory is .cache/fleets/NAME/hosts.yml")
    up.add_argument("name")
    up.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    up.set_defaults(run=lambda o: machine.up(o.name, o.release))
    reboot = actions.add_parser("reboot", help="boot a machine anew and wait for it")
    reboot.add_argument("name")
    reboot.set_defaults(run=lambda o: machine.reboot(o.name))
    down = actions.add_parser("down", help="remove a machine with its disk")
    down.add_argument("name")
    down.set_defaults(run=lambda o: machine.down(o.name))


def _fleet_up(options: argparse.Namespace) -> None:
    if options.name == "lab":
        raise LabError("fleet up: 'lab' is the name of the lab itself; use `python -m lab up`")
    domains = [text.partition("=") for text in options.domain]
    hosts = tuple(
        parse_host(text, FIRST_HOST_NUMBER + index, [d for h, _, d in domains if h == text.partition("=")[0]])
        for index, text in enumerate(options.host)
    )
    fleet.up(Fleet(options.name, hosts, tuple(parse_service(name) for name in options.service)))


def _build(names: Sequence[str]) -> None:
    for name in names or ["host:trixie", "host:bookworm", "registry", "acme", "s3", "mail", "postgres", "redis"]:
        kind, _, tag = name.partition(":")
        if kind == "host":
            say(images.host_image(tag))
        elif kind == "demo":
            say("\n".join(images.demo_image(part, tag) for part in ("backend", "web")))
        else:
            say(images.service_image(kind))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _repository_and_tag(target: str) -> tuple[str, str]:
    repository, separator, tag = target.rpartition(":")
    return (repository, tag) if separator else (target, "latest")


if __name__ == "__main__":
    sys.exit(main())
