# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The current value of a secret, read on the controller from where it is kept."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: Read secrets that keelson.ops.secret_rotate keeps
version_added: 0.1.0
author: keelson contributors (@keelson-ops)
description:
  - Returns the current value of each secret, from AWS Secrets Manager, HashiCorp Vault, an env file or a file. A value
    that is still on its way (pending) is never returned as the current one.
  - Reads on the controller, with the controller's files, environment and network.
options:
  _terms:
    description:
      - The secrets, by C(secret) of O(store) with type V(aws) and V(vault), by C(path) with V(file), and by C(key) with
        V(env_file). What O(store) says of that option itself is not used.
    type: list
    elements: str
    required: true
  store:
    description:
      - Where the secrets are kept, as O(keelson.ops.secret_rotate#module:store) with the same options.
    type: dict
    required: true
  part:
    description:
      - V(value) is the secret itself.
      - V(other) is the other value that has to be accepted at present, the one to come or else the one before. It is
        empty most of the time.
      - Anything else is an attribute that the store keeps (C(attribute_keys) of O(store)), such as V(username).
    type: str
    default: value
notes:
  - Ansible has no way of marking what a lookup returns as secret. Nothing of this plugin prints it, and templates
    inside of it are not evaluated, but a task that uses it in an option shows that option with C(-vvv), in a diff, or
    in the label of a loop. Give such tasks C(no_log=true). Options of modules that are passwords themselves are masked
    without it, and so are files of M(keelson.ops.config_files) with O(keelson.ops.config_files#module:files[].secret).
  - Use it directly where it is needed. C(set_fact) and C(register) keep the value in memory, and in the fact cache.
seealso:
  - module: keelson.ops.secret_rotate
"""

EXAMPLES = r"""
- name: Give the application its key and the one before
  keelson.ops.config_files:
    files:
      - dest: /opt/shop/shop.env
        mode: "0600"
        secret: true
        content: |
          JWT_SECRET={{ lookup('keelson.ops.secret', 'shop/jwt', store=secrets_store) }}
          JWT_SECRET_PREVIOUS={{ lookup('keelson.ops.secret', 'shop/jwt', store=secrets_store, part='other') }}
  vars:
    secrets_store: {type: aws, region: eu-central-1}

- name: Log in as the login that is in use at present
  community.postgresql.postgresql_ping:
    login_user: "{{ lookup('keelson.ops.secret', 'shop/database', store=database_store, part='username') }}"
    login_password: "{{ lookup('keelson.ops.secret', 'shop/database', store=database_store) }}"
  vars:
    database_store: {type: vault, key: password, attribute_keys: {username: username}}
"""

RETURN = r"""
_raw:
  description: The values, in the order of the terms.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError, unforeseen
from ansible_collections.keelson.ops.plugins.module_utils._secrets.deliver import Known, look_up
from ansible_collections.keelson.ops.plugins.module_utils._secrets.store_options import STORE
from ansible_collections.keelson.ops.plugins.module_utils._secrets.stores import Connections, open_store

TERM = {"aws": "secret", "vault": "secret", "file": "path", "env_file": "key"}


def read(store: Mapping[str, Any], term: str, connections: Connections) -> Known:
    """What the store says of one secret. Raises OpsError."""
    defaults = {name: spec["default"] for name, spec in STORE.items() if spec.get("default") is not None}
    unknown = sorted(set(store) - set(STORE))
    if unknown:
        raise OpsError(f"store.{unknown[0]}: no such option")
    kind = str(store.get("type"))
    if kind not in TERM:
        raise OpsError(f"store.type: must be one of {', '.join(TERM)}")
    opened = open_store({**defaults, **store, TERM[kind]: term}, "store", SystemClock(), connections)
    try:
        known = look_up(opened)
    finally:
        opened.close()
    if known is None:
        raise OpsError(f"{term}: there is no such secret in the store")
    return known


def part_of(known: Known, part: str, term: str) -> str:
    """The part of a secret. Raises OpsError for an attribute that the store does not keep."""
    if part == "value":
        return known.current.value
    if part == "other":
        return known.other.value if known.other else ""
    if part not in known.current.attributes:
        raise OpsError(f"{term}: the store keeps no {part} (option store.attribute_keys)")
    return known.current.attributes[part]


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)  # type: ignore[no-untyped-call]
        store, part = (self.get_option(name) for name in ("store", "part"))  # type: ignore[no-untyped-call]
        connections = Connections()
        found = []
        for term in terms:
            try:
                found.append(part_of(read(store or {}, term, connections), part, term))
            except OpsError as error:
                message = error.message
            except Exception as error:  # noqa: BLE001 - its text may hold a secret
                message = f"{term}: {unforeseen(error)}"
            else:
                continue
            raise AnsibleError(f"keelson.ops.secret: {message}")
        return found
