# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as people read it in diff mode; the content of a secret file is never in it."""

from __future__ import annotations

from hashlib import sha256

from .observed import Facts
from .plan import Change, Plan

SHOWN_LIMIT = 100 * 1024


def diffs(plan: Plan, facts: Facts) -> list[dict[str, object]]:
    """One entry for every path that changes, in the form that Ansible's callbacks print."""
    return [_diff(change, facts) for change in plan.changes if change.changed]


def _diff(change: Change, facts: Facts) -> dict[str, object]:
    file = change.file
    before, after = _attributes_before(change, facts), _attributes_after(change)
    if change.action == "attributes" or "directory" in (file.state, change.before.kind):
        return {
            "before_header": file.dest,
            "after_header": file.dest,
            "before": {"path": file.dest, **before},
            "after": {"path": file.dest, **after},
        }
    return {
        "before_header": _header(file.dest, before),
        "after_header": _header(file.dest, after),
        **_contents(change),
    }


def _contents(change: Change) -> dict[str, object]:
    before, after = change.before.content, change.content_after
    texts = {"before": _text(before), "after": _text(after)}
    if change.before.kind == "link":
        texts["before"] = f"[link to {change.before.target}]\n"
    if change.before.kind == "file" and before is None:
        texts["before"] = "[too large to be shown]\n"
    if change.file.secret:
        texts = {
            name: f"[secret content {name} the change, not shown]\n" if text else "" for name, text in texts.items()
        }
    elif not change.file.diff:
        texts = {"before": _summary(before), "after": _summary(after)}
    return dict(texts)


def _summary(content: bytes | None) -> str:
    if content is None:
        return ""
    return f"[{len(content)} bytes, sha256 {sha256(content).hexdigest()[:12]}]\n"


def _text(content: bytes | None) -> str:
    if content is None:
        return ""
    if len(content) > SHOWN_LIMIT:
        return f"[{len(content)} bytes, too large to be shown]\n"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    return f"[binary content, {len(content)} bytes]\n" if "\0" in text else text


def _attributes_before(change: Change, facts: Facts) -> dict[str, object]:
    before = change.before
    if before.kind == "nothing":
        return {"state": "absent"}
    return {
        "state": before.kind,
        "mode": f"{before.mode:04o}",
        "owner": facts.user_names.get(before.uid, str(before.uid)),
        "group": facts.group_names.get(before.gid, str(before.gid)),
    }


def _attributes_after(change: Change) -> dict[str, object]:
    file = change.file
    if file.state == "absent":
        return {"state": "absent"}
    return {"state": file.state, "mode": f"{file.mode:04o}", "owner": file.owner, "group": file.group}


def _header(dest: str, attributes: dict[str, object]) -> str:
    if attributes["state"] == "absent":
        return f"{dest} (absent)"
    return f"{dest} ({attributes['owner']}:{attributes['group']} {attributes['mode']})"
