# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an entry of deploy_projects to the commands that test, build and push it."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.keelson.ops.plugins.module_utils._compose.delivery import parse_delivery
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

DOCUMENTATION = r"""
name: deploy_commands
short_description: Commands that test, build and push a project
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Checks one entry of C(deploy_projects) and makes it into lists of arguments. Used by playbook C(keelson.ops.deploy).
options:
  _input:
    description:
      - The entry, with C(tests) (command lines) and C(images), each with C(name) (repository without a tag),
        C(context), C(dockerfile), C(target) and C(args). The playbook's own keys are C(source), C(version_variable),
        C(version_file), C(health), C(health_timeout), C(health_from) and C(backup).
    type: dict
    required: true
  project:
    description: Name of the project, for messages.
    type: str
    required: true
  version:
    description: The version; it becomes a tag of each image.
    type: str
    required: true
  date:
    description: Date for the tag that never moves, such as V(20261122).
    type: str
    default: ""
  commit:
    description: Short commit for that tag.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: docker build --tag shop/backend:2.0.0 --tag shop/backend:2.0.0-20261122-7295898 ...
  ansible.builtin.debug:
    msg: >-
      {{ {'images': [{'name': 'shop/backend', 'context': 'apps/backend'}]}
         | keelson.ops.deploy_commands(project='shop', version='2.0.0', date='20261122', commit='7295898') }}
"""

RETURN = r"""
_value:
  description: The commands.
  type: dict
  contains:
    tag:
      description: Version, date and commit.
      type: str
    references:
      description: Every image with every tag.
      type: list
      elements: str
    tests:
      description: Arguments of each test command.
      type: list
      elements: list
    build:
      description: Arguments of C(docker build) for each image.
      type: list
      elements: list
    push:
      description: Arguments of C(docker push) for each reference.
      type: list
      elements: list
"""


def deploy_commands(raw: object, project: str, version: str, date: str = "", commit: str = "") -> dict[str, object]:
    """The commands of an entry. Raises AnsibleFilterError."""
    try:
        return parse_delivery(str(project), raw).commands(str(version), str(date), str(commit))
    except OpsError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """Ansible's filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"deploy_commands": deploy_commands}
