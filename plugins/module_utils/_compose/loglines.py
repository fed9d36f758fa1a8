# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of ``docker compose logs`` by level, whatever the application's way of saying it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from .._core.errors import OpsError

LEVELS = ("debug", "info", "warning", "error", "critical")
NAMES = {
    "trace": 0, "debug": 0, "info": 1, "notice": 1, "log": 1, "warn": 2, "warning": 2, "err": 3, "error": 3,
    "crit": 4, "critical": 4, "fatal": 4, "alert": 4, "panic": 4, "emerg": 4, "emergency": 4,
}  # fmt: skip
KEYS = ("level", "severity", "levelname", "lvl", "log.level")
WORD = re.compile(r"\b(debug|info|warn|warning|error|crit|critical|fatal|panic)\b", re.IGNORECASE)
LINE = re.compile(r"^(?P<container>\S+)\s+\| ?(?P<rest>(?P<time>\S+Z)? ?(?P<text>.*))$")
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What docker compose (seen with 2.26) writes for terminals even where there is none, and applications for colours."""
LOOKED_AT = 100
UNSAID = NAMES["info"]


def select(host: str, lines: Iterable[str], level: str) -> list[str]:
    """The lines of ``level`` and above, each with its host before it; all of them when ``level`` is empty.

    A line that says no level, such as one of a stack trace, belongs to the one before it of the same container.
    Raises OpsError for a level that there is not.
    """
    if level and level.lower() not in NAMES:
        raise OpsError(f"-e level={level}: one of {', '.join(LEVELS)}")
    least = NAMES[level.lower()] if level else 0
    last: dict[str, int] = {}
    chosen = []
    for raw in lines:
        line = TERMINAL.sub("", raw)
        found = LINE.match(line)
        container, text = (found["container"], found["text"]) if found else ("", line)
        said = level_of(text)
        last[container] = last.get(container, UNSAID) if said is None else said
        if last[container] >= least:
            chosen.append(f"{host} {container} | {found['rest']}" if found else f"{host} {line}")
    return chosen


def level_of(text: str) -> int | None:
    """The rank of a line's level, None when it says none: a member of a JSON object, or a word near its beginning."""
    if text.lstrip().startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if isinstance(entry, Mapping):
            return _level_of_object(entry)
    found = WORD.search(text[:LOOKED_AT])
    return NAMES[found[1].lower()] if found else None


def _level_of_object(entry: Mapping[str, object]) -> int | None:
    value = next((entry[key] for key in KEYS if key in entry), None)
    if isinstance(value, int) and not isinstance(value, bool):  # pino and bunyan: 10 is trace, 60 is fatal
        return max(0, min(value // 10 - 2, 4))
    return NAMES.get(str(value).lower()) if value is not None else None
