#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring several systemd units to their states in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units
short_description: Enable, start, stop and disable several systemd units in one call
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Reads the states of all given units with one call of C(systemctl), and changes only those that differ.
  - A loop over M(ansible.builtin.systemd_service) costs a round trip per unit; this costs one for all.
  - A unit that was started and is not running afterwards fails the task with its last journal lines.
  - A unit whose own conditions the host does not meet (C(ConditionVirtualization) in a container, say) is left alone
    and returned in RV(skipped_units).
  - When a unit file changed on disk, systemd reads it again first.
options:
  units:
    description: The units and what is wanted of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the unit with its suffix, such as V(ssh.service).
        type: str
        required: true
      enabled:
        description: Whether the unit starts at boot. Left as it is when not given.
        type: bool
      state:
        description: Whether the unit runs now. Left as it is when not given.
        type: str
        choices: [started, stopped]
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
    details: A unit that is not installed yet counts as one that is neither enabled nor running.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: The services of this host run now and after a reboot
  keelson.ops.systemd_units:
    units:
      - {name: fail2ban.service, enabled: true, state: started}
      - {name: nftables.service, enabled: false}
      - {name: keelson-backup.timer, enabled: true, state: started}
"""

RETURN = r"""
actions:
  description: The units that were (in check mode, would be) acted on, by C(systemctl) verb.
  type: dict
  returned: success
  sample: {enable: [fail2ban.service], start: [fail2ban.service]}
skipped_units:
  description: Units whose conditions this host does not meet.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._units.apply import apply
from ansible_collections.keelson.ops.plugins.module_utils._units.state import Wanted

ARGUMENTS = {
    "units": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["started", "stopped"]},
        },
    }
}
STARTED = {"started": True, "stopped": False, None: None}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def body() -> dict[str, object]:
        wanted = [Wanted(unit["name"], unit["enabled"], STARTED[unit["state"]]) for unit in module.params["units"]]
        plan = apply(wanted, SubprocessRunner(), check_mode=module.check_mode)
        actions = {verb: list(names) for verb, names in plan.actions.items() if names}
        return {"changed": plan.changed, "actions": actions, "skipped_units": list(plan.skipped)}

    run_module(module, body)


if __name__ == "__main__":
    main()
