#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List and verify restore points of PostgreSQL databases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_info
short_description: List and verify restore points made by pg_backup
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Lists the restore points in all destinations, newest first, and on request checks what is stored.
  - A point that a check found damaged is remembered on the host. It no longer counts for the retention of
    M(keelson.ops.pg_backup), and C(latest) means the newest point before it.
options:
  verify:
    description:
      - V(hash) compares sizes, SHA-256 and the checksums inside the compression. V(read) also reads the whole archive
        with C(pg_restore).
      - An encrypted point is only compared with its SHA-256 unless O(decryption_identity) is given.
    type: str
    choices: [none, hash, read]
    default: none
  point:
    description: What to verify; V(latest) of each database, V(all), or an id.
    type: str
    default: latest
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.backup
attributes:
  check_mode:
    support: full
    details: Results of a verification are not remembered in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: keelson.ops.pg_backup
"""

EXAMPLES = r"""
- name: Which restore points there are, as the role postgres_backup configured it on the host
  keelson.ops.pg_backup_info:
    config: shop

- name: The newest backup of the shop can be read to its end
  keelson.ops.pg_backup_info:
    databases: [shop]
    compose_project: data
    compose_service: postgres
    verify: read
    destinations:
      - {type: s3, bucket: shop-backups, prefix: db1, credentials_file: /etc/keelson/s3-credentials}
  register: backups
  failed_when: backups.points | selectattr('fault') | length > 0
"""

RETURN = r"""
points:
  description: Restore points of each database and destination, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Identity, which begins with the time in UTC.
      type: str
    database:
      description: Name of the database.
      type: str
    destination:
      description: Where it is.
      type: str
    taken_at:
      description: When the run began, in ISO 8601.
      type: str
    source:
      description: What it is of, V(postgres) or V(command).
      type: str
    bytes:
      description: Stored size.
      type: int
    database_bytes:
      description: Size of the database on the server.
      type: int
    seconds:
      description: How long the backup took.
      type: float
    server_version:
      description: Version of the server it is from.
      type: str
    encrypted:
      description: Whether it is encrypted.
      type: bool
    fault:
      description: Why it can't be relied on; none when nothing is known against it.
      type: str
verified:
  description: The points that were checked, as above and with RV(ignore:ok) and the RV(ignore:level) that was reached.
  returned: when O(verify) is not V(none)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying
from ansible_collections.keelson.ops.plugins.module_utils._backup.arguments import CONSTRAINTS, SHARED
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.report import checked_data, listed_data
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import settings_of_module
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module

OPTIONS = {
    "verify": {"type": "str", "choices": ["none", "hash", "read"], "default": "none"},
    "point": {"type": "str", "default": "latest"},
}


def run(module: AnsibleModule) -> dict[str, object]:
    """List, and verify when asked to."""
    given = dict(module.params)
    level, point = given.pop("verify"), given.pop("point")
    backup = open_backup(settings_of_module(given))
    if level == "none":
        return {"changed": False, "points": [listed_data(item) for item in verifying.list_points(backup)]}
    chosen = verifying.select(backup, backup.settings.databases, point)
    checked = verifying.verify(backup, chosen, level, remember=not module.check_mode)
    points = [listed_data(item) for item in verifying.list_points(backup)]
    return {"changed": False, "points": points, "verified": [checked_data(item) for item in checked]}


def main() -> None:
    module = AnsibleModule(argument_spec={**SHARED, **OPTIONS}, supports_check_mode=True, **CONSTRAINTS)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
