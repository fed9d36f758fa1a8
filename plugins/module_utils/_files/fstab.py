# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of ``/etc/fstab`` (format: fstab(5)) with mount options added, and as it was before.

What was there stays in a comment above each line that was changed, so that the options can be taken away again; lines
that were added stand between two marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

BEGIN, END = "# BEGIN keelson.ops.hardening", "# END keelson.ops.hardening"
BEFORE = "# before keelson.ops.hardening: "
ADDED = re.compile(rf"^{re.escape(BEGIN)}\n(?:.*\n)*?{re.escape(END)}\n?", re.MULTILINE)
POINT, OPTIONS = 1, 3  # fields of a line
NO_OPTIONS = "defaults"


def restored(text: str) -> str:
    """The text as it was before :func:`hardened`. A line that somebody has edited since stays as it is.

    :param text: the file
    """
    lines: list[str] = []
    before: str | None = None
    for line in ADDED.sub("", text).splitlines():
        if line.startswith(BEFORE):
            before = line.removeprefix(BEFORE)
            continue
        lines.append(before if before is not None and _is_from(line, before) else line)
        before = None
    return "".join(f"{line}\n" for line in lines)


def hardened(text: str, options: Mapping[str, Sequence[str]], missing: Sequence[str]) -> str:
    """The text with mount options for some mount points; the same again for a text that has them.

    :param text: the file
    :param options: options by mount point, for the lines that the file has
    :param missing: whole lines, for mount points that it has no line for
    """
    lines: list[str] = []
    found: set[str] = set()
    for line in restored(text).splitlines():
        fields = _fields(line)
        wanted = options.get(fields[POINT], ()) if fields else ()
        changed = _with_options(line, fields, wanted) if fields else line
        if fields:
            found.add(fields[POINT])
        lines += [line] if changed == line else [BEFORE + line, changed]
    added = [line for line in missing if line.split()[POINT] not in found]
    if added:
        lines += [BEGIN, *added, END]
    return text if lines == text.splitlines() else "".join(f"{line}\n" for line in lines)


def _fields(line: str) -> list[str]:
    """The fields of a line that describes a mount; none of any other."""
    fields = line.split()
    return fields if len(fields) > OPTIONS and not line.lstrip().startswith("#") else []


def _with_options(line: str, fields: Sequence[str], wanted: Sequence[str]) -> str:
    """The line with further options in the place of contrary ones (``exec`` for ``noexec``); all else as it was."""
    contrary = {option.removeprefix("no") for option in wanted if option.startswith("no")}
    kept = [option for option in fields[OPTIONS].split(",") if option not in contrary]
    options = ",".join(kept + [option for option in wanted if option not in kept]) or NO_OPTIONS
    head = re.match(r"\s*(?:\S+\s+){3}", line)
    return line if head is None else line[: head.end()] + options + line[head.end() + len(fields[OPTIONS]) :]


def _is_from(line: str, before: str) -> bool:
    """Whether a line differs from what it was by more options only."""
    now, then = _fields(line), _fields(before)
    if not now or not then or now[:OPTIONS] + now[OPTIONS + 1 :] != then[:OPTIONS] + then[OPTIONS + 1 :]:
        return False
    added = set(now[OPTIONS].split(","))
    gone = set(then[OPTIONS].split(",")) - added
    return all(f"no{option}" in added for option in gone)
