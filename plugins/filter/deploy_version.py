# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version a deployment is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.module_utils._compose.version import choose_version
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

DOCUMENTATION = r"""
name: deploy_version
short_description: Choose the version to deploy
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - The version as given, the highest known semantic version raised by one step, or the one that the inventory declares.
  - Used by playbook C(keelson.ops.deploy).
options:
  _input:
    description: Names of releases and git tags; those that are no semantic version do not count.
    type: list
    elements: str
    required: true
  version:
    description: The version, when it was given.
    type: str
    default: ""
  bump:
    description: Which part of the highest known version to raise; V(major), V(minor), V(patch) or empty.
    type: str
    default: ""
  declared:
    description: The version that the inventory says. It counts as known, too.
    type: str
    default: ""
  variable:
    description: The inventory's variable with that version, for messages.
    type: str
    default: app_version
"""

EXAMPLES = r"""
- name: 1.3.0
  ansible.builtin.debug:
    msg: "{{ ['1.1.0', 'v1.2.9', '7295898'] | keelson.ops.deploy_version(bump='minor') }}"
"""

RETURN = r"""
_value:
  description: The version.
  type: str
"""


def deploy_version(
    known: Iterable[object],
    version: object = "",
    bump: object = "",
    declared: object = "",
    variable: str = "app_version",
) -> str:
    """The version to deploy. Raises AnsibleFilterError."""
    try:
        return choose_version(
            known,
            version=str(version or ""),
            bump=str(bump or ""),
            declared=str(declared or ""),
            variable=str(variable),
        )
    except OpsError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Ansible's filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"deploy_version": deploy_version}
