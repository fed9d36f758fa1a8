#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a bucket fit for backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_backup_bucket
short_description: Make a bucket of S3 that is fit for backups, or bring one up to it
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Makes the bucket private, versioned and encrypted by default, with a life-cycle that moves backups to cheaper
    storage classes and ends them, and with object lock on request.
  - Each setting is read first and changed only when it is not what is asked for. What is not asked for stays.
  - Whatever would make an existing bucket less safe (a weaker encryption, a shorter lock, objects that would be deleted
    sooner) fails before anything is changed, unless O(allow_weaker) is set.
  - Rules of the life-cycle that others made stay. Objects of at most 1 MiB, as manifests are, keep their storage class,
    so that restore points can always be listed.
  - No bucket is ever deleted by this module.
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  endpoint_url:
    description: URL of a service other than AWS.
    type: str
  region:
    description: Region in which the bucket is or is made.
    type: str
    default: us-east-1
  access_key:
    description: Access key. Without it and O(credentials_file), what boto3 finds by itself.
    type: str
  secret_key:
    description: Secret key that belongs to the access key.
    type: str
  session_token:
    description: Token of temporary credentials.
    type: str
  credentials_file:
    description: File with credentials in AWS' format, not readable by others.
    type: path
  profile:
    description: Profile in the credentials.
    type: str
  ca_bundle:
    description: File with the authority of the endpoint's certificate.
    type: path
  public_access_block:
    description: Whether to set all four blocks of public access. Some services other than AWS don't know them.
    type: bool
    default: true
  server_side_encryption:
    description: Default encryption of objects.
    type: str
    choices: [AES256, 'aws:kms']
    default: AES256
  kms_key_id:
    description: Key for V(aws:kms), the account's own for S3 when not given.
    type: str
  lifecycle:
    description: Ages in days. Without this option the life-cycle stays as it is.
    type: dict
    suboptions:
      prefix:
        description: Keys that it is for begin so; all when empty.
        type: str
        default: ''
      infrequent_days:
        description: Age at which objects move to Standard-IA, at least 30; V(0) for never.
        type: int
        default: 30
      glacier_days:
        description:
          - Age at which they move to Glacier; V(0) for never. A backup in Glacier has to be asked back, for hours,
            before it can be restored.
        type: int
        default: 90
      expire_days:
        description: Age at which they are deleted; V(0) for never. Should be more than the retention keeps.
        type: int
        default: 365
      noncurrent_days:
        description: For how many days deleted and overwritten objects can be brought back.
        type: int
        default: 30
      incomplete_days:
        description: Age at which unfinished multipart uploads are aborted.
        type: int
        default: 7
  object_lock:
    description: Whether objects can be locked. Best decided when the bucket is made; it can never be turned off.
    type: bool
    default: false
  object_lock_mode:
    description: Lock objects whose upload doesn't say for how long.
    type: str
    choices: [GOVERNANCE, COMPLIANCE]
  object_lock_days:
    description: For how many days.
    type: int
  allow_weaker:
    description: Whether the bucket may become less safe than it is.
    type: bool
    default: false
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - boto3
seealso:
  - module: keelson.ops.pg_backup
"""

EXAMPLES = r"""
- name: A bucket for the backups of all database hosts
  keelson.ops.s3_backup_bucket:
    name: shop-backups
    region: eu-central-1
    credentials_file: /etc/keelson/s3-credentials
    lifecycle: {infrequent_days: 30, glacier_days: 90, expire_days: 365}

- name: One whose backups nobody can delete for two weeks
  keelson.ops.s3_backup_bucket:
    name: shop-vault
    server_side_encryption: aws:kms
    object_lock: true
    object_lock_mode: COMPLIANCE
    object_lock_days: 14
    lifecycle: {expire_days: 365}
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    aspect:
      description: Such as V(versioning) or V(lifecycle).
      type: str
    before:
      description: What it was.
      type: raw
    after:
      description: What it is now.
      type: raw
weaker:
  description: What would be less safe than it is.
  returned: when that is refused
  type: list
  elements: str
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._backup.s3_client import connect
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import S3Destination
from ansible_collections.keelson.ops.plugins.module_utils._bucket import plan
from ansible_collections.keelson.ops.plugins.module_utils._bucket.s3 import S3Bucket
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module

ACCESS: dict[str, Any] = {
    "endpoint_url": {"type": "str"},
    "region": {"type": "str", "default": "us-east-1"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "credentials_file": {"type": "path"},
    "profile": {"type": "str"},
    "ca_bundle": {"type": "path"},
}
LIFECYCLE: dict[str, Any] = {
    "prefix": {"type": "str", "default": ""},
    "infrequent_days": {"type": "int", "default": 30},
    "glacier_days": {"type": "int", "default": 90},
    "expire_days": {"type": "int", "default": 365},
    "noncurrent_days": {"type": "int", "default": 30},
    "incomplete_days": {"type": "int", "default": 7},
}
OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    **ACCESS,
    "public_access_block": {"type": "bool", "default": True},
    "server_side_encryption": {"type": "str", "choices": ["AES256", "aws:kms"], "default": "AES256"},
    "kms_key_id": {"type": "str", "no_log": False},
    "lifecycle": {"type": "dict", "options": LIFECYCLE},
    "object_lock": {"type": "bool", "default": False},
    "object_lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"]},
    "object_lock_days": {"type": "int"},
    "allow_weaker": {"type": "bool", "default": False},
}


def wanted_of(params: dict[str, Any]) -> plan.Wanted:
    """The options as the engine has them; an age of 0 means never."""
    cycle = params["lifecycle"]
    never = ("infrequent_days", "glacier_days", "expire_days")
    ages: dict[str, Any] = {key: None if key in never and not value else value for key, value in (cycle or {}).items()}
    return plan.Wanted(
        block_public=params["public_access_block"],
        encryption=params["server_side_encryption"],
        kms_key_id=params["kms_key_id"],
        lifecycle=plan.Lifecycle(**ages) if cycle is not None else None,
        lock=params["object_lock"],
        lock_mode=params["object_lock_mode"],
        lock_days=params["object_lock_days"],
    )


def run(module: AnsibleModule) -> dict[str, object]:
    """Read, plan, refuse or change."""
    params = module.params
    wanted = wanted_of(params)
    plan.check(wanted)
    access = {key: params[key] for key in ACCESS}
    bucket = S3Bucket(connect(S3Destination(bucket=params["name"], **access)), params["name"], params["region"])
    changes = plan.changes(wanted, bucket.observe(public_blocks=wanted.block_public))
    plan.refuse_weaker(changes, allowed=params["allow_weaker"])
    if not module.check_mode:
        for change in changes:
            bucket.apply(change, {"Mode": wanted.lock_mode, "Days": wanted.lock_days})
    before, after = (
        json.dumps({item.aspect: getattr(item, side) for item in changes}, indent=1, default=str) + "\n"
        for side in ("before", "after")
    )
    told = [{"aspect": item.aspect, "before": item.before, "after": item.after} for item in changes]
    return {"changed": bool(changes), "changes": told, "diff": {"before": before, "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec=OPTIONS,
        required_together=[("object_lock_mode", "object_lock_days")],
        supports_check_mode=True,
    )
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
