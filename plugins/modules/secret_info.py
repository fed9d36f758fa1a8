#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell how old secrets are and how far their rotation has come."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_info
short_description: Tell how old secrets are and how far their rotation has come
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Looks at the stores of secrets that M(keelson.ops.secret_rotate) keeps. Reads no value and changes nothing.
options: {}
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.secrets
  - keelson.ops.secrets.look
attributes:
  check_mode:
    support: full
    details: Changes nothing anyway.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: keelson.ops.secret_rotate
"""

EXAMPLES = r"""
- name: How old are the shop's secrets?
  keelson.ops.secret_info:
    store: {type: aws, region: eu-central-1}
    secrets:
      - {name: shop-database, store: {secret: shop/database, key: password}}
      - {name: shop-redis, store: {secret: shop/redis}}
  register: found
"""

RETURN = r"""
secrets:
  description: The secrets in the given order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the secret.
      type: str
    exists:
      description: Whether the store has a current version.
      type: bool
    created:
      description: When that was made.
      type: str
    due:
      description: When it is to be rotated, by O(max_age).
      type: str
    overdue:
      description: Whether that is over.
      type: bool
    current:
      description: The current version, as the store calls it.
      type: str
    pending:
      description: The version on its way to become current, if any.
      type: str
    previous:
      description: The version that is not revoked yet, if any.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._secrets.inventory import tell
from ansible_collections.keelson.ops.plugins.module_utils._secrets.store_options import STORE


def main() -> None:
    secret = {
        "name": {"type": "str", "required": True},
        "max_age": {"type": "str"},
        "store": {"type": "dict", "options": STORE},
    }
    module = AnsibleModule(
        argument_spec={
            "secrets": {"type": "list", "elements": "dict", "required": True, "options": secret, "no_log": False},
            "store": {"type": "dict", "options": STORE},
            "max_age": {"type": "str", "default": "90d"},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: tell(module.params))


if __name__ == "__main__":
    main()
