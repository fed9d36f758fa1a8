# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a fleet has: pure descriptions, made into containers by ``fleet``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from .progress import LabError

DOMAIN = "keelson.test"
DISTRIBUTIONS = {"trixie": "debian", "bookworm": "debian", "noble": "ubuntu", "jammy": "ubuntu"}
"""The releases that hosts can have, and whose they are."""


@dataclass(frozen=True, slots=True)
class Published:
    """A port of a machine, reachable on 127.0.0.1 of the operator's machine; ``local`` of None is any free one."""

    container: int
    local: int | None


@dataclass(frozen=True, slots=True)
class Host:
    """A systemd host. ``number`` is the last part of its address."""

    name: str
    release: str
    number: int
    domains: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        if self.release not in DISTRIBUTIONS:
            raise LabError(f"{self.name}: release {self.release!r} is not one of {', '.join(DISTRIBUTIONS)}")


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the fleet's network, from the image ``lab/images/<name>``; up when ``port`` answers."""

    name: str
    number: int
    port: int
    published: tuple[Published, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """A network of hosts and services. ``subnet`` of None lets the fleet take a free one."""

    name: str
    hosts: tuple[Host, ...]
    services: tuple[Service, ...] = ()
    subnet: int | None = None


SERVICES = {
    "registry": Service("registry", 2, 5000, (Published(5000, None),)),
    "acme": Service("acme", 3, 14000),
    "s3": Service("s3", 4, 5000, (Published(5000, None),)),
    "mail": Service("mail", 5, 8025, (Published(8025, None),)),
    "browser": Service("browser", 6, 8000),
}


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """Where the lab is reachable on 127.0.0.1; each can be moved by an environment variable such as LAB_HTTPS_PORT."""

    https: int = 8443
    http: int = 8080
    prometheus: int = 9090
    alertmanager: int = 9093
    mail: int = 8025
    s3: int = 9000

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> LocalPorts:
        """The defaults with what ``environment`` moves. Raises LabError for a value that is not a port."""
        chosen = {}
        for port in fields(cls):
            variable = f"LAB_{port.name.upper()}_PORT"
            if text := environment.get(variable):
                if not text.isdigit():
                    raise LabError(f"{variable}={text}: expected a port number")
                chosen[port.name] = int(text)
        return cls(**chosen)


@dataclass(frozen=True, slots=True)
class Lab:
    """The fleet that ``make lab`` provisions with ``site.yml``."""

    ports: LocalPorts = field(default_factory=LocalPorts)

    def hosts(self) -> tuple[Host, ...]:
        ports = self.ports
        return (
            Host(
                "edge1",
                "trixie",
                11,
                domains=(f"shop.{DOMAIN}",),
                published=(Published(443, ports.https), Published(80, ports.http)),
            ),
            Host("app1", "trixie", 21),
            Host("app2", "trixie", 22),
            Host("db1", "trixie", 31),
            Host(
                "mon1",
                "bookworm",
                41,
                published=(Published(9090, ports.prometheus), Published(9093, ports.alertmanager)),
            ),
        )

    def fleet(self, names: Iterable[str] = ()) -> Fleet:
        """The whole lab, or the hosts in ``names`` with every service. Raises LabError for a name that is not there."""
        wanted = set(names)
        known = {host.name for host in self.hosts()}
        if unknown := wanted - known:
            raise LabError(f"LAB_HOSTS: no host {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        services = (
            SERVICES["registry"],
            SERVICES["acme"],
            Service("s3", 4, 5000, (Published(5000, self.ports.s3),)),
            Service("mail", 5, 8025, (Published(8025, self.ports.mail),)),
        )
        hosts = tuple(host for host in self.hosts() if not wanted or host.name in wanted)
        return Fleet("lab", hosts, services, subnet=0)


def parse_host(text: str, number: int, domains: Iterable[str] = ()) -> Host:
    """``name=release`` of the command line. Raises LabError."""
    name, separator, release = text.partition("=")
    if not (name and separator and release):
        raise LabError(f"--host {text!r}: expected NAME=RELEASE, such as web1=trixie")
    return Host(name, release, number, tuple(domains))


def parse_service(name: str) -> Service:
    """A service by its name. Raises LabError."""
    if name not in SERVICES:
        raise LabError(f"--service {name!r}: there are {', '.join(SERVICES)}")
    return SERVICES[name]
