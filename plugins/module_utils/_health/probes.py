# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes that do real input and output."""

from __future__ import annotations

from types import TracebackType

from .._core.clock import Clock
from .._core.command import Runner
from .kinds.registry import KINDS
from .resources import Resources
from .spec import Check, Probe


class SystemProbes:
    """Probes that share threads and TLS contexts; a context manager, for one wait or many."""

    def __init__(self, clock: Clock, runner: Runner) -> None:
        self._resources = Resources(clock, runner)

    def __call__(self, check: Check) -> Probe:
        """A probe for ``check``. Raises MissingLibraryError."""
        return KINDS[check.target.kind].make_probe(check.target, self._resources)

    def close(self) -> None:
        """End the threads."""
        self._resources.close()

    def __enter__(self) -> SystemProbes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
