# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on several hosts, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.keelson.ops.plugins.module_utils._compose.status import host_cells, rows, table

DOCUMENTATION = r"""
name: compose_status
short_description: What runs on several hosts, as a table
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - One line for each service of each Compose project, with its release, how many replicas run and how they are, and
    below it what is wrong. Used by playbook C(keelson.ops.status).
options:
  _input:
    description:
      - One dictionary per host, with C(host), and C(error) (why nothing is known) or C(facts) (Ansible's, of the host),
        C(containers) (documents of C(docker inspect)) and C(releases) (by project what
        M(keelson.ops.compose_release_info) returned).
    type: list
    elements: dict
    required: true
  project:
    description: Only this project.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what runs
  ansible.builtin.debug:
    msg: "{{ hosts_seen | keelson.ops.compose_status(project='shop') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def compose_status(seen: Iterable[Mapping[str, Any]], project: str = "") -> list[str]:
    """The lines of the table."""
    hosts, found, silent = [], [], {}
    for entry in seen:
        host = str(entry["host"])
        if entry.get("facts"):
            hosts.append(host_cells(host, entry["facts"]))
        if entry.get("error"):
            silent[host] = str(entry["error"]).strip()
            continue
        found += rows(host, entry.get("containers") or [], entry.get("releases") or {}, str(project))
    return table(hosts, found, silent)


class FilterModule:
    """Ansible's filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"compose_status": compose_status}
