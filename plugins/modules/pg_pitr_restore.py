#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recover a PostgreSQL cluster to a point in time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_pitr_restore
short_description: Recover a PostgreSQL cluster to a point in time
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Restores a cluster that the role C(keelson.ops.postgres_pitr) configured on the host, with pgBackRest, into a new
    data directory (for a server in a container, a new volume) beside the live one, lets it recover to the given time,
    waits until it has left recovery, and asks the assertions of its configuration.
  - Without O(confirm) it ends there, and the live cluster isn't touched. With it, the live server is stopped, both
    directories change places, and the restored server is started. What was live before is kept.
  - A server that doesn't start gives way to the one from before.
  - Nothing of the restored server reaches the archive until it is switched to.
options:
  config:
    description: Name of the cluster, as the role configured it on the host.
    type: str
    required: true
  target_time:
    description:
      - Date and time with the offset from UTC, such as V(2026-11-22 10:00:00+00), or V(latest) for all that was
        archived.
      - Everything that was committed until then is in the restored cluster, and nothing later.
    type: str
    required: true
  confirm:
    description: The name in O(config) once more, to switch to what was restored.
    type: str
  again:
    description: Restore even when the cluster was restored to the same time before.
    type: bool
    default: false
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
    details: Shows the plan; the repository is read.
  diff_mode:
    support: full
    details: The plan, in words.
  idempotent:
    support: partial
    details: Restoring to the same time a second time changes nothing; V(latest) and O(again) restore each time.
notes:
  - Data directories with tablespaces, and those that are mount points themselves, are refused.
seealso:
  - module: keelson.ops.pg_pitr_stanza
"""

EXAMPLES = r"""
- name: Restore beside the live cluster, and look at the result
  keelson.ops.pg_pitr_restore:
    config: main
    target_time: "2026-11-22 10:00:00+00"

- name: Switch to it
  keelson.ops.pg_pitr_restore:
    config: main
    target_time: "2026-11-22 10:00:00+00"
    confirm: main
"""

RETURN = r"""
plan:
  description: What was decided.
  type: dict
  returned: success
  contains:
    action:
      description: V(restore), V(switch) to what was restored before, or V(nothing).
      type: str
    reason:
      description: Why.
      type: str
    target:
      description: The time in UTC, or V(latest).
      type: str
    backup:
      description: The backup that is restored.
      type: str
    timeline:
      description: The history that is followed.
      type: str
    needed_bytes:
      description: Free space that the restore asks for.
      type: int
    switch:
      description: Whether the switch was confirmed.
      type: bool
switched:
  description: Whether the restored cluster is live now.
  type: bool
  returned: when something was done
directory:
  description: Where what was restored lies; after the switch, what was live before.
  type: str
  returned: when something was done
volume:
  description: The volume that it is in.
  type: str
  returned: when something was done
restore_seconds:
  description: How long it took until the restored data was verified.
  type: float
  returned: when something was done
outage_seconds:
  description: How long there was no server.
  type: float
  returned: after a switch
last_transaction:
  description: When the last transaction in what was restored was committed, in seconds since the epoch.
  type: float
  returned: when something was done
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._pitr.plan import plan_lines
from ansible_collections.keelson.ops.plugins.module_utils._pitr.recovery import open_recovery
from ansible_collections.keelson.ops.plugins.module_utils._pitr.report import plan_data, result_data
from ansible_collections.keelson.ops.plugins.module_utils._pitr.restore import apply, plan
from ansible_collections.keelson.ops.plugins.module_utils._pitr.settings import load_settings
from ansible_collections.keelson.ops.plugins.module_utils._pitr.target import parse_target

OPTIONS = {
    "config": {"type": "str", "required": True},
    "target_time": {"type": "str", "required": True},
    "confirm": {"type": "str"},
    "again": {"type": "bool", "default": False},
}


def run(module: AnsibleModule) -> dict[str, object]:
    """Restore; in check mode tell."""
    given = module.params
    target = parse_target(given["target_time"])
    recovery = open_recovery(load_settings(given["config"]))
    decided, live = plan(recovery, target, confirm=given["confirm"], again=given["again"])
    lines = plan_lines(decided, live, given["config"])
    answer: dict[str, object] = {"changed": decided.changes, "plan": plan_data(decided)}
    if decided.changes:
        answer["diff"] = {"prepared": "".join(f"{line}\n" for line in lines)}
    if module.check_mode:
        return answer
    result = apply(recovery, decided, live)
    return answer if result is None else {**answer, **result_data(result)}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
