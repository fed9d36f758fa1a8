# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: something accepts connections, and optionally greets as expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..connection import Endpoint, connected
from ..options import Declarations, compile_regex, port
from ..outcome import UnhealthyError
from ..resources import Resources
from ..spec import Probe

OPTIONS: Declarations = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "required": True},
    "greeting": {"type": "str"},
}
_GREETING_BYTES = 1024


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """A listening port; ``greeting`` is searched in the first bytes that the server sends by itself."""

    kind: ClassVar[str] = "tcp"

    host: str
    port: int
    greeting: re.Pattern[str] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return str(Endpoint(self.host, self.port))


def parse(options: Mapping[str, Any], where: str) -> TcpTarget:
    """The target that ``options`` describe. Raises OpsError."""
    greeting = options["greeting"]
    return TcpTarget(
        host=options["host"],
        port=port(options["port"], f"{where}.port"),
        greeting=None if greeting is None else compile_regex(greeting, f"{where}.greeting"),
    )


def make_probe(target: TcpTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""

    async def attempt(limit: float) -> str:
        async with connected(resources, Endpoint(target.host, target.port)) as stream:
            if target.greeting is None:
                return "accepts connections"
            said = (await stream.read_some())[:_GREETING_BYTES].decode(errors="replace").strip()
        if not target.greeting.search(said):
            raise UnhealthyError(f"greets with {said[:100]!r}, which does not match {target.greeting.pattern}")
        return f"greets with {said[:100]!r}"

    return attempt
