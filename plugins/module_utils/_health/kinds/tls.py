# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: a trusted certificate for the right name that is valid for long enough."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar

from ..connection import Endpoint, Tls, connected
from ..options import Declarations, at_least, port
from ..outcome import UnhealthyError
from ..resources import Resources
from ..spec import Probe

OPTIONS: Declarations = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "server_name": {"type": "str"},
    "ca_file": {"type": "path"},
    "days_left": {"type": "float", "default": 0},
}
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class TlsTarget:
    """A TLS server that must prove to be ``server_name`` for at least ``days_left`` more days."""

    kind: ClassVar[str] = "tls"

    host: str
    port: int
    server_name: str
    ca_file: str | None
    days_left: float

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        place = str(Endpoint(self.host, self.port))
        return place if self.server_name == self.host else f"{place} as {self.server_name}"


def parse(options: Mapping[str, Any], where: str) -> TlsTarget:
    """The target that ``options`` describe. Raises OpsError."""
    at_least(options["days_left"], 0, f"{where}.days_left")
    return TlsTarget(
        host=options["host"],
        port=port(options["port"], f"{where}.port"),
        server_name=options["server_name"] or options["host"],
        ca_file=options["ca_file"],
        days_left=options["days_left"],
    )


def make_probe(target: TlsTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""

    async def attempt(limit: float) -> str:
        tls = Tls(target.server_name, target.ca_file)
        async with connected(resources, Endpoint(target.host, target.port), tls) as stream:
            last = stream.certificate["notAfter"]
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(last), timezone.utc)
        left = (ends - resources.clock.now()).total_seconds() / _DAY
        words = f"certificate for {target.server_name} ends in {left:.1f} days ({ends:%Y-%m-%d %H:%M} UTC)"
        if left < target.days_left:
            raise UnhealthyError(f"{words}, at least {target.days_left:g} wanted")
        return words

    return attempt
