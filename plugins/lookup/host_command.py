# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the host command ``keelson``, for every role that schedules work on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_command
short_description: The files of the host command keelson
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Returns entries for M(keelson.ops.config_files) that put the command C(keelson) on a host, with the engines of this
    collection that it uses and the directories that they write to.
  - Roles that schedule work on a host install it with this, all of them the same files.
options: {}
"""

EXAMPLES = r"""
- name: Install the host command
  keelson.ops.config_files:
    files: "{{ query('keelson.ops.host_command') }}"
"""

RETURN = r"""
_raw:
  description: Entries for M(keelson.ops.config_files), directories first.
  type: list
  elements: dict
"""

import re
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

COMMAND = """#!/usr/bin/python3 -I
# Managed by Ansible.
import sys

sys.path.insert(0, "/usr/local/lib")

from keelson._cli.main import main

raise SystemExit(main())
"""
LIBRARY = "/usr/local/lib/keelson"
DIRECTORIES = ("/etc/keelson", "/var/lib/keelson", "/var/log/keelson")
ENTRY = "_cli"
_IMPORT = re.compile(r"^\s*from \.\.(_[a-z]+)[. ]", re.MULTILINE)


def packages(engines: Path) -> list[str]:
    """The packages below ``engines`` that the command imports, itself and directly or not."""
    found: list[str] = []
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            sources = (path.read_text(encoding="utf-8") for path in (engines / name).rglob("*.py"))
            waiting += [imported for source in sources for imported in _IMPORT.findall(source)]
    return sorted(found)


def entries(engines: Path) -> list[dict[str, Any]]:
    """The command, its engines and the directories, for config_files."""
    sources = [engines / "__init__.py"]
    sources += [path for name in packages(engines) for path in sorted((engines / name).rglob("*.py"))]
    places = {path: f"{LIBRARY}/{path.relative_to(engines).as_posix()}" for path in sources}
    folders = sorted({place.rpartition("/")[0] for place in places.values()})
    return [
        *({"dest": folder, "state": "directory"} for folder in (*folders, *DIRECTORIES)),
        *({"dest": place, "src": str(path), "diff": False} for path, place in places.items()),
        {"dest": "/usr/local/bin/keelson", "content": COMMAND, "mode": "0755"},
    ]


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        if terms or kwargs:
            raise AnsibleError("keelson.ops.host_command takes no terms and no options")
        return entries(Path(__file__).resolve().parents[1] / "module_utils")
