#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a repository of pgBackRest ready for recovery to a point in time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_pitr_stanza
short_description: Make a repository of pgBackRest ready for recovery to a point in time
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Creates the stanza of a cluster that the role C(keelson.ops.postgres_pitr) configured on the host, sees a segment
    of WAL archived, and takes a first full backup, whatever of it is missing.
  - Fails when the server does not archive with pgBackRest, and, without O(upgrade), when the repository holds another
    cluster.
options:
  config:
    description: Name of the cluster, as the role configured it on the host.
    type: str
    required: true
  upgrade:
    description:
      - Go on with this cluster in a repository that holds another one, as when a lost host was made anew from a dump.
      - The backups of the other one stay until the retention removes them, and can be restored until then.
    type: bool
    default: false
  first_backup:
    description: Whether to take a full backup when there is none of this cluster.
    type: bool
    default: true
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: keelson.ops.pg_pitr_restore
"""

EXAMPLES = r"""
- name: The repository is ready
  keelson.ops.pg_pitr_stanza:
    config: main

- name: The database was restored from a dump into a new cluster, which goes on where the old one ended
  keelson.ops.pg_pitr_stanza:
    config: main
    upgrade: true
"""

RETURN = r"""
actions:
  description: What was (in check mode, would be) done.
  type: list
  elements: str
  returned: success
  sample: [create the stanza, take a full backup]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._pitr.recovery import (
    ensure_stanza,
    open_recovery,
    plan_stanza,
)
from ansible_collections.keelson.ops.plugins.module_utils._pitr.settings import load_settings

OPTIONS = {
    "config": {"type": "str", "required": True},
    "upgrade": {"type": "bool", "default": False},
    "first_backup": {"type": "bool", "default": True},
}


def run(module: AnsibleModule) -> dict[str, object]:
    """Do what is missing; in check mode tell."""
    recovery = open_recovery(load_settings(module.params["config"]))
    plan = plan_stanza(recovery, upgrade=module.params["upgrade"], first_backup=module.params["first_backup"])
    if plan.changes and not module.check_mode:
        ensure_stanza(recovery, plan)
    return {"changed": plan.changes, "actions": plan.lines}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
