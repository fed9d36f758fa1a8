# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host remembers of one secret: version, phase and time, never a value."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from .._core.clock import Clock
from .._core.jsonlines import JsonLines
from .credential import Holdings, Phase
from .plan import Memory

RESTORED = "restored"
MOST_LINES = 200


class Trail:
    """The journal of one secret below the state directory."""

    def __init__(self, directory: Path, name: str, clock: Clock) -> None:
        self._lines = JsonLines(directory / f"{name}.jsonl")
        self._clock = clock

    def tell(self, version: str, phase: Phase) -> None:
        """A phase is reached. Raises OSError."""
        self._append(version, phase.value)

    def tell_restored(self, version: str) -> None:
        """``version`` is about to become current again."""
        self._append(version, RESTORED)

    def memory(self, holdings: Holdings) -> Memory:
        """What is known about the current version."""
        applied, restored = None, None
        for entry in self._lines.entries():
            version, phase = entry.get("version"), entry.get("phase")
            if phase == RESTORED:
                restored = str(version)
            elif phase == Phase.PENDING.value:
                restored = None
            if holdings.current and version == holdings.current.id:
                if phase == Phase.APPLIED.value:
                    applied = datetime.fromisoformat(str(entry["at"]))
                elif phase in (Phase.CURRENT.value, RESTORED):
                    applied = None
        return Memory(applied, restored)

    def phase(self, holdings: Holdings) -> Phase:
        """How far the newest version has come, as far as labels and journal tell."""
        if holdings.pending:
            seen = [e.get("phase") for e in self._lines.entries() if e.get("version") == holdings.pending.id]
            known = [phase for phase in (Phase.TESTED, Phase.SET) if phase.value in seen]
            return known[0] if known else Phase.PENDING
        if holdings.previous:
            return Phase.APPLIED if self.memory(holdings).applied else Phase.CURRENT
        return Phase.REVOKED

    def _append(self, version: str, phase: str) -> None:
        entries = self._lines.entries()
        if len(entries) > MOST_LINES and phase == Phase.PENDING.value:
            self._lines.remove()
        self._lines.append({"version": version, "phase": phase, "at": self._clock.now().isoformat()})
