#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate secrets so that nobody is locked out, whenever it is interrupted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rotate
short_description: Create and rotate secrets without an outage
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Takes each secret through the phases pending (stored, so that it cannot be lost), set (the target accepts it),
    tested (it was seen to log in), current (what the store returns), applied (the application uses it and is healthy)
    and revoked (the old one works no more).
  - A run that was killed at any point needs no cleaning up. The next run looks at the labels of the store, probes which
    secret really logs in, and goes on.
  - Two runs at once give one result. On one host the second waits, on two hosts the store lets one be first.
  - A target that refuses a value gets another one, up to O(rejections) times. After that the task fails, and the
    current secret is as it was.
  - When the application is not healthy with the new secret, the old one becomes current again and the new one is
    revoked.
  - A value is never returned, shown or logged. Consumers read the store.
notes:
  - A previous version that something else left, such as AWSPREVIOUS of an earlier rotation, is taken for one whose
    overlap begins with the first run. It is revoked after that.
options:
  state:
    description:
      - V(present) creates what is missing and ends what is under way, but rotates nothing because of its age.
      - V(rotated) also rotates what is older than O(max_age).
      - V(rolled_back) gives up a secret that is not current yet, or makes the previous one current again while it works
        still, that is before the end of O(overlap).
    type: str
    choices: [present, rotated, rolled_back]
    default: rotated
  force:
    description:
      - Rotate whatever the age. An overlap that is not over yet ends before.
      - Not idempotent.
    type: bool
    default: false
  overlap:
    description:
      - How long the old secret works on after the application took the new one. A later run revokes it, so run the task
        more often than O(max_age), by schedule.
      - With V(jwt) it must be longer than the longest life of a token.
      - V(0s) revokes in the same run, as soon as O(apply) went well. Without O(apply) give consumers time to re-read.
    type: str
    default: 1h
  apply:
    description:
      - What uses the secrets. It is told once for all secrets of the call that became current, and has to be healthy
        before anything is revoked.
      - With O(apply.checks) alone, tell the application by a handler. The secrets are revoked by a later run, after
        O(overlap), if the checks succeed then.
    type: dict
    suboptions:
      command:
        description: Command that makes the application take the new secrets. It must be able to run twice.
        type: list
        elements: str
      command_timeout:
        description: Seconds that the command may take.
        type: float
        default: 600
      compose_rollout:
        description: Deploy a Compose project as M(keelson.ops.compose_rollout) does, with its options and defaults.
        type: dict
        suboptions:
          project:
            description: Name of the project.
            type: str
            required: true
          project_directory:
            description: Its directory, C(/opt/<project>) by default.
            type: path
          files:
            description: Its Compose files. V(compose.yaml) by default.
            type: list
            elements: path
          env_files:
            description: Files with variables for the Compose files.
            type: list
            elements: path
          proxy:
            description: The proxies in front of its services, as for M(keelson.ops.compose_rollout).
            type: list
            elements: dict
          profiles:
            description: Profiles to enable.
            type: list
            elements: str
          services:
            description: Services to deploy. All by default.
            type: list
            elements: str
          version:
            description: What to call the release.
            type: str
          pull:
            description: When to pull images. V(missing) by default.
            type: str
            choices: [missing, always, never]
          wait_timeout:
            description: Seconds that a new container has to become healthy.
            type: float
          drain_delay:
            description: Seconds that new containers are healthy before they get requests.
            type: float
          drain_timeout:
            description: How long to wait for requests that are under way.
            type: float
          lock_timeout:
            description: Seconds to wait for another deployment.
            type: float
      checks:
        description:
          - What has to be healthy with the new secrets, as the option of the same name of
            M(keelson.ops.health_wait).
          - Without credentials. Look at something that needs none, such as the application's own health page.
        type: list
        elements: dict
        default: []
      timeout:
        description: Seconds for all checks.
        type: float
        default: 120
  test_timeout:
    description: Seconds that a secret has to log in after it was set; servers may take a while.
    type: float
    default: 60
  rejections:
    description: How many generated values the target may refuse.
    type: int
    default: 5
  lock_timeout:
    description: Seconds to wait for another run over the same secrets on this host.
    type: float
    default: 300
  state_directory:
    description: Where the journals and locks are. They hold no value.
    type: path
    default: /var/lib/keelson/secrets
  audit_log:
    description: File to add a line to for each secret that was changed or failed.
    type: path
    default: /var/log/keelson/secrets.jsonl
  metrics_directory:
    description:
      - Directory of the node exporter's textfile collector, for C(keelson_secret_<name>.prom).
      - Set to an empty string to write none.
    type: str
    default: /var/lib/prometheus/node-exporter
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.secrets
  - keelson.ops.secrets.rotate
attributes:
  check_mode:
    support: full
    details: Tells what would be done and why. Reads no value and makes no write call to any store or target.
  diff_mode:
    support: full
    details: Shows which secrets change and why, never a value.
  idempotent:
    support: partial
    details: Not with O(force). The run after the end of O(overlap) revokes, which is a change.
seealso:
  - module: keelson.ops.secret_info
  - module: keelson.ops.compose_rollout
  - module: keelson.ops.health_wait
"""

EXAMPLES = r"""
- name: The shop's passwords are never older than a quarter of a year
  keelson.ops.secret_rotate:
    store: {type: aws, region: eu-central-1}
    secrets:
      - name: shop-database
        store:
          secret: shop/database
          key: password
          attribute_keys: {username: username}
        target:
          type: postgres
          login_host: 10.0.0.31
          login_user: postgres
          login_password: "{{ postgres_admin_password }}"
          username: shop
      - name: shop-redis
        store: {secret: shop/redis}
        target: {type: redis, login_host: 10.0.0.31, login_user: admin, login_password: "{{ admin }}", username: shop}
    overlap: 1d
    apply:
      command: [/usr/local/bin/shop-reload]
      checks:
        - http: {url: "http://127.0.0.1:8000/health", json: [status == healthy]}

- name: Docker secret files, taken up by a rollout without downtime
  keelson.ops.secret_rotate:
    secrets:
      - name: shop-token
        store: {type: file, path: /opt/shop/secrets/token}
        max_age: 30d
    overlap: 0s
    apply:
      compose_rollout: {project: shop}

- name: Both signing keys are accepted until the last token has expired
  keelson.ops.secret_rotate:
    secrets:
      - name: shop-jwt
        store: {type: env_file, path: /opt/shop/.env, key: JWT_SECRET, companion: JWT_SECRET_PREVIOUS}
        target: {type: jwt}
        overlap: 8d
    apply:
      compose_rollout: {project: shop}

- name: Something is wrong with the new ones
  keelson.ops.secret_rotate:
    state: rolled_back
    store: {type: vault, endpoint_url: "https://vault.example.org:8200", token_file: /root/.vault-token}
    secrets:
      - name: shop-api
        store: {secret: shop/api, key: token}
"""

RETURN = r"""
secrets:
  description: The secrets in the given order.
  returned: always
  type: list
  elements: dict
  sample:
    - name: shop-database
      action: rotate
      reason: "91 d old, 90 d allowed"
      changed: true
      phase: applied
      version: 0f5e9e1c-7c1f-5a0b-9d57-2f4f0a6f2f11
      created: "2026-01-01T02:00:00+00:00"
      due: "2026-04-01T02:00:00+00:00"
      revoked: false
      rolled_back: false
      error: null
  contains:
    name:
      description: Name of the secret.
      type: str
    action:
      description:
        - What was decided. V(none), V(wait) for the end of the overlap, V(create), V(adopt), V(rotate), V(resume) what
          was pending, V(apply) what was current but not known to be in use, V(revoke), V(abandon), V(roll back),
          V(finish roll back).
      type: str
    reason:
      description: Why.
      type: str
    changed:
      description: Whether it changes anything.
      type: bool
    phase:
      description: How far the newest version has come. V(revoked) means that nothing is under way.
      type: str
    version:
      description: The current version, as the store calls it.
      type: str
    created:
      description: When it was made.
      type: str
    due:
      description: When it is to be rotated.
      type: str
    revoked:
      description: Whether this run revoked an old one.
      type: bool
    rolled_back:
      description: Whether this run went back to the old one, because the application was not healthy.
      type: bool
    error:
      description: What went wrong with this secret; others are not concerned.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._secrets.application import ROLLOUT
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotate import run_rotation
from ansible_collections.keelson.ops.plugins.module_utils._secrets.store_options import STORE
from ansible_collections.keelson.ops.plugins.module_utils._secrets.targets import POLICY, TARGET


def argument_spec() -> dict[str, dict[str, object]]:
    """The module's options, in Ansible's form."""
    secret: dict[str, dict[str, object]] = {
        "name": {"type": "str", "required": True},
        "store": {"type": "dict", "options": STORE},
        "target": {"type": "dict", "options": TARGET},
        "policy": {"type": "dict", "options": POLICY},
        "initial": {"type": "str", "no_log": True},
        "initial_attributes": {"type": "dict"},
        "max_age": {"type": "str"},
        "overlap": {"type": "str"},
    }
    apply: dict[str, dict[str, object]] = {
        "command": {"type": "list", "elements": "str"},
        "command_timeout": {"type": "float", "default": 600},
        "compose_rollout": {"type": "dict", "options": ROLLOUT},
        "checks": {"type": "list", "elements": "dict", "default": []},
        "timeout": {"type": "float", "default": 120},
    }
    return {
        "state": {"type": "str", "choices": ["present", "rotated", "rolled_back"], "default": "rotated"},
        "secrets": {"type": "list", "elements": "dict", "required": True, "options": secret, "no_log": False},
        "store": {"type": "dict", "options": STORE},
        "max_age": {"type": "str", "default": "90d"},
        "overlap": {"type": "str", "default": "1h"},
        "force": {"type": "bool", "default": False},
        "apply": {"type": "dict", "options": apply},
        "test_timeout": {"type": "float", "default": 60},
        "rejections": {"type": "int", "default": 5},
        "lock_timeout": {"type": "float", "default": 300},
        "state_directory": {"type": "path", "default": "/var/lib/keelson/secrets"},
        "audit_log": {"type": "path", "default": "/var/log/keelson/secrets.jsonl"},
        "metrics_directory": {"type": "str", "default": "/var/lib/prometheus/node-exporter"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    run_module(module, lambda: run_rotation(module.params, check=module.check_mode, tell=module.warn))


if __name__ == "__main__":
    main()
