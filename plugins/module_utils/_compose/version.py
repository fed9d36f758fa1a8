# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version is deployed next, and what its images are tagged with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._core.errors import OpsError

SEMANTIC = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)$")
TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
BUMPS = ("major", "minor", "patch")


def choose_version(known: Iterable[object], *, version: str, bump: str, declared: str, variable: str) -> str:
    """The version to deploy: as given, the highest known one raised, or what the inventory says in ``variable``.

    ``known`` are names of releases and git tags; those that are no semantic version (a commit, a pre-release) do not
    count. Empty texts mean that something was not given. Raises OpsError naming the -e variable that is wrong.
    """
    if version and bump:
        raise OpsError(f"give -e version={version} or -e bump={bump}, not both")
    if bump:
        return raised([*known, declared], bump)
    chosen, origin = (version.strip(), "-e version") if version else (declared.strip(), f"variable {variable}")
    if not chosen:
        raise OpsError(
            f"which version? Give -e version=2.0.0 or -e bump=minor, or set {variable} in the inventory; "
            "version_variable of deploy_projects says which variable names the version there"
        )
    if not TAG.match(chosen):
        raise OpsError(
            f"{origin}: {chosen!r} cannot be the tag of an image (letters, digits, . _ -, at most 128 characters)"
        )
    return chosen


def raised(known: Iterable[object], bump: str) -> str:
    """The highest semantic version of ``known`` (0.0.0 when there is none), raised by ``bump``. Raises OpsError."""
    if bump not in BUMPS:
        raise OpsError(f"-e bump={bump}: one of {', '.join(BUMPS)}")
    found = [tuple(map(int, match.groups())) for name in known if (match := SEMANTIC.match(str(name or "").strip()))]
    major, minor, patch = max(found, default=(0, 0, 0))
    if bump == "major":
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if bump == "minor" else f"{major}.{minor}.{patch + 1}"


def full_tag(version: str, date: str, commit: str) -> str:
    """The tag that never moves: version, date (20261122) and short commit; the version is cut to leave room."""
    suffix = "".join(f"-{part}" for part in (date, commit) if part)
    tag = version[: 128 - len(suffix)] + suffix
    if not TAG.match(tag):
        raise OpsError(f"{tag!r} cannot be the tag of an image; check the commit {commit!r}")
    return tag
