# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix socket: something accepts connections on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._core.errors import OpsError
from ..connection import Endpoint, connected
from ..options import Declarations
from ..resources import Resources
from ..spec import Probe

OPTIONS: Declarations = {"path": {"type": "path", "required": True}}


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """A listening stream socket at ``path``."""

    kind: ClassVar[str] = "unix"

    path: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return self.path


def parse(options: Mapping[str, Any], where: str) -> UnixTarget:
    """The target that ``options`` describe. Raises OpsError."""
    if not options["path"].startswith("/"):
        raise OpsError(f"{where}.path: must be absolute, not {options['path']}")
    return UnixTarget(options["path"])


def make_probe(target: UnixTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""

    async def attempt(limit: float) -> str:
        async with connected(resources, Endpoint(path=target.path)):
            return "accepts connections"

    return attempt
