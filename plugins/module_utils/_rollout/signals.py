# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a process hears a signal, from what the kernel tells of it (proc_pid_status(5))."""

from __future__ import annotations

import signal
from pathlib import Path

PROC = Path("/proc")
FORCED = (signal.SIGKILL, signal.SIGSTOP)


def hears(pid: int, name: str, proc: Path = PROC) -> bool:
    """Whether a process handles the signal, waits for it, or ends by it; True when that cannot be seen.

    ``name`` is a name or a number, as in ``StopSignal`` of an image. The first process of a PID namespace ends by no
    signal of which it knows nothing (pid_namespaces(7)): a shell that has started a program, for instance.
    """
    number = _number(name)
    if number is None or number in FORCED:
        return True
    try:
        lines = (proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
        facts = {key: value.split() for key, _colon, value in (line.partition(":") for line in lines)}
        ignored, caught, blocked = (
            int(facts[mask][0], 16) >> (number - 1) & 1 for mask in ("SigIgn", "SigCgt", "SigBlk")
        )
        first = facts["NSpid"][-1] == "1"
    except (OSError, KeyError, IndexError, ValueError):
        return True
    return bool(blocked or caught or not (ignored or first))


def _number(name: str) -> int | None:
    if name.isdigit():
        return int(name)
    found = getattr(signal.Signals, name if name.startswith("SIG") else f"SIG{name}", None)
    return None if found is None else int(found)
