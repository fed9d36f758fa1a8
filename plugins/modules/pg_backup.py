#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take logical backups of PostgreSQL databases and apply retention."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Back up PostgreSQL databases so that a backup that exists can be relied on
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Dumps each database with C(pg_dump), compresses with zstd, and streams to all destinations without a temporary file.
    What another program dumps to its standard output goes the same way, with O(source=command).
  - A restore point exists only once its manifest does. The manifest is written last, after every program of the
    pipeline ended well and all bytes were stored. A failed run leaves nothing behind and never touches older points.
  - The manifest holds sizes, hashes, versions and a fingerprint of the content that a restore is compared with. It is
    taken in the same snapshot as the dump.
  - After a new point was published, and only then, points beyond the retention are deleted. The newest always stays.
  - What a killed run left is removed by the next one.
options:
  globals:
    description: Whether to store roles and tablespaces beside each dump. They are in no dump.
    type: bool
    default: true
  max_age:
    description:
      - Take a backup only of databases whose newest restore point is at least this old, as V(20h) or V(7d).
      - Without it each run takes one.
    type: str
  retention:
    description: Which restore points to keep. Those that any rule keeps stay. Without a rule all stay.
    type: dict
    suboptions:
      days:
        description: All that are younger than so many days.
        type: int
      daily:
        description: The newest of each of the last so many days that have one.
        type: int
      weekly:
        description: The newest of each of the last so many ISO weeks that have one.
        type: int
      monthly:
        description: The newest of each of the last so many months that have one.
        type: int
      min_keep:
        description: The newest so many, whatever their age.
        type: int
        default: 1
  timezone:
    description: Time zone in which days, weeks and months begin.
    type: str
    default: UTC
  compression_level:
    description: Level of zstd. Higher ones cost more processor time and make text and the like a little smaller.
    type: int
    default: 2
  compression_threads:
    description: Threads of zstd.
    type: int
    default: 2
  compression_program:
    description:
      - V(pg_dump) lets C(pg_dump) compress with zstd itself, which version 16 and newer can; V(zstd) has the whole
        stream compressed by C(zstd) on this host. V(auto) is V(pg_dump) where a container's programs can do it, as less
        has to be carried out of the container, else V(zstd).
    type: str
    choices: [auto, zstd, pg_dump]
    default: auto
  encryption_recipients:
    description: Public keys of age. The host needs the C(age) program and can't read its own backups.
    type: list
    elements: str
  encryption_gpg_keys:
    description:
      - Public keys of gpg, each as ASCII armor (C(gpg --armor --export)), as an alternative to age. They are used from
        a keyring of the run's own; the user's is neither read nor changed.
    type: list
    elements: str
  lock_wait_timeout:
    description: How long C(pg_dump) waits for a table that something else has locked exclusively.
    type: str
    default: '300'
  stall_timeout:
    description:
      - How long nothing may move between the dump and the slowest destination before the run is given up and cleaned
        up. A destination in S3 takes 16 MiB at a time, so this also is the least speed that is accepted.
    type: str
    default: 30m
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.backup
attributes:
  check_mode:
    support: full
    details: Returns what would be taken and deleted.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(max_age).
seealso:
  - module: keelson.ops.pg_backup_info
"""

EXAMPLES = r"""
- name: A backup of the shop is never older than a day
  keelson.ops.pg_backup:
    databases: [shop]
    compose_project: data
    compose_service: postgres
    max_age: 24h
    retention: {daily: 7, weekly: 4, monthly: 12}
    destinations:
      - type: s3
        bucket: shop-backups
        prefix: db1
        credentials_file: /etc/keelson/s3-credentials

- name: A backup now, as the role postgres_backup configured it on the host
  keelson.ops.pg_backup:
    config: shop

- name: MongoDB, by its own program, encrypted for a key whose secret half is not on the host
  keelson.ops.pg_backup:
    source: command
    name: catalogue
    command: [mongodump, --archive, --quiet, --config=/etc/keelson/mongodump.yaml]
    encryption_gpg_keys: ["{{ lookup('ansible.builtin.file', 'backup-public-key.asc') }}"]
    retention: {daily: 7, weekly: 4, monthly: 12}
    destinations:
      - {type: s3, bucket: shop-backups, prefix: db1, credentials_file: /etc/keelson/s3-credentials}

- name: Two databases of the server on this host, to its disk and to a bucket
  keelson.ops.pg_backup:
    name: main
    databases: [shop, billing]
    run_as: postgres
    retention: {days: 30, min_keep: 3}
    destinations:
      - {type: directory, path: /var/backups/postgres}
      - {type: s3, bucket: backups, endpoint_url: "https://s3.example.org", access_key: backup, secret_key: "{{ key }}"}
"""

RETURN = r"""
databases:
  description: What was done, or in check mode would be done, for each database.
  returned: success
  type: list
  elements: dict
  contains:
    database:
      description: Name of the database.
      type: str
    take:
      description: Whether a backup was due.
      type: bool
    reason:
      description: Why, or why not.
      type: str
    id:
      description: The new restore point, when one was taken.
      type: str
    source:
      description: What it is of, V(postgres) or V(command).
      type: str
    bytes:
      description: Its stored size.
      type: int
    sha256:
      description: Hash of the stored dump.
      type: str
    seconds:
      description: How long it took.
      type: float
    tables:
      description: Tables in the fingerprint.
      type: int
    rows:
      description: Rows in the fingerprint.
      type: int
    server_version:
      description: Version of the server.
      type: str
    wal_position:
      description: Where the server's write-ahead log was.
      type: str
    delete:
      description: Restore points deleted by retention, each with RV(ignore:destination) and RV(ignore:id).
      type: list
      elements: dict
    retained:
      description: Restore points that stay, in the destination with fewest.
      type: int
    swept:
      description: What an earlier, killed run had left and was removed.
      type: list
      elements: str
failed_databases:
  description: For each database that could not be backed up, why (C(msg)) and what else is known. The others were.
  returned: when one could not
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._backup.arguments import CONSTRAINTS, RETENTION, SHARED
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.report import plan_data, plan_text, taken_data
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import settings_of_module
from ansible_collections.keelson.ops.plugins.module_utils._backup.take import plan, take
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module

OPTIONS = {
    "globals": {"type": "bool", "default": True},
    "max_age": {"type": "str"},
    "retention": {"type": "dict", "options": RETENTION},
    "timezone": {"type": "str", "default": "UTC"},
    "compression_level": {"type": "int", "default": 2},
    "compression_threads": {"type": "int", "default": 2},
    "compression_program": {"type": "str", "choices": ["auto", "zstd", "pg_dump"], "default": "auto"},
    "encryption_recipients": {"type": "list", "elements": "str"},
    "encryption_gpg_keys": {"type": "list", "elements": "str", "no_log": False},
    "lock_wait_timeout": {"type": "str", "default": "300"},
    "stall_timeout": {"type": "str", "default": "30m"},
}


def run(module: AnsibleModule) -> dict[str, object]:
    """Take what is due; in check mode tell."""
    backup = open_backup(settings_of_module(module.params))
    if module.check_mode:
        plans = plan(backup)
        databases = [plan_data(item) for item in plans]
    else:
        taken = take(backup)
        plans = [item.plan for item in taken]
        databases = [taken_data(item) for item in taken]
    changed = any(item.take for item in plans)
    return {"changed": changed, "databases": databases, "diff": {"prepared": plan_text(plans) if changed else ""}}


def main() -> None:
    module = AnsibleModule(argument_spec={**SHARED, **OPTIONS}, supports_check_mode=True, **CONSTRAINTS)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
