# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of an application's log, by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.module_utils._compose.loglines import select
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

DOCUMENTATION = r"""
name: log_lines
short_description: Lines of an application's log, by level
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Chooses lines of C(docker compose logs) by their level and puts the host's name before each. Knows the level of JSON
    lines (C(level), C(severity); names, or the numbers of pino), and of text that names it near its beginning. A line
    without a level belongs to the one before it of the same container. Used by playbook C(keelson.ops.logs).
options:
  _input:
    description: The lines.
    type: list
    elements: str
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  level:
    description: Least level (V(debug), V(info), V(warning), V(error), V(critical)); all lines when empty.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: What went wrong
  ansible.builtin.debug:
    msg: "{{ logs.stdout_lines | keelson.ops.log_lines(host=inventory_hostname, level='error') }}"
"""

RETURN = r"""
_value:
  description: The chosen lines.
  type: list
  elements: str
"""


def log_lines(lines: Iterable[str], host: str, level: str = "") -> list[str]:
    """The chosen lines. Raises AnsibleFilterError."""
    try:
        return select(str(host), map(str, lines), str(level))
    except OpsError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Ansible's filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"log_lines": log_lines}
