#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the releases of a Compose project that a host keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_release_info
short_description: List the releases of a Docker Compose project that a host keeps
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Reads what M(keelson.ops.compose_rollout) remembers of its successful deployments. Talks to nothing else.
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.compose_project
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: It changes nothing.
  idempotent:
    support: full
seealso:
  - module: keelson.ops.compose_rollout
"""

EXAMPLES = r"""
- name: What can the shop be rolled back to?
  keelson.ops.compose_release_info:
    project: shop
  register: shop
"""

RETURN = r"""
current:
  description: Number of the release that runs now; none when nothing was deployed yet.
  returned: always
  type: int
releases:
  description: The kept releases, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    number:
      description: Number of the release.
      type: int
    version:
      description: What the release was called.
      type: str
    finished:
      description: When the deployment ended, in UTC.
      type: str
    seconds:
      description: How long it took.
      type: float
    restored:
      description: The number of the release that this one went back to.
      type: int
    services:
      description: By service, the reference (C(image)) and id (C(image_id)) of its image and the number of C(replicas).
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import release_directory_of
from ansible_collections.keelson.ops.plugins.module_utils._rollout.releases import ReleaseStore, describe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "str", "required": True},
            "release_directory": {"type": "path"},
        },
        supports_check_mode=True,
    )
    directory = release_directory_of(module.params["project"], module.params["release_directory"])
    run_module(module, lambda: describe(ReleaseStore(directory).all()))


if __name__ == "__main__":
    main()
