# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say where a secret is kept, in the form of Ansible's argument specs.

``stores.open_store(store, where, clock)`` makes the Store of them; ``where`` names the option in errors. In the same
way ``targets.open_target(target, policy, where, clock, runner)`` makes the Target of the options that ``targets``
declares as ``TARGET`` and ``POLICY``. No option has a default here, so that those of one secret go over those of all.
One entry of the list ``secrets`` of the module secret_rotate:

``name``, ``store`` (STORE), ``target`` (TARGET; without it nothing but the store changes), ``policy`` (POLICY),
``initial`` (the secret that is in use already, for the first run), ``max_age`` and ``overlap`` (as V(90d)).
"""

from __future__ import annotations

from typing import Any

AWS = "aws"
VAULT = "vault"
ENV_FILE = "env_file"
FILE = "file"

STORE: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "choices": [AWS, VAULT, ENV_FILE, FILE]},
    # Name or ARN of a Secrets Manager secret; path of a secret below the mount in Vault.
    "secret": {"type": "str", "no_log": False},
    # The file: .env entries, or one Docker secret file.
    "path": {"type": "path"},
    # Where the value is: key of a JSON secret (aws: the whole text without it; vault: "value"), or of an .env entry.
    "key": {"type": "str", "no_log": False},
    # Attribute of the credential -> key beside it, as {username: DB_USER}. For type file: -> path of another file.
    "attribute_keys": {"type": "dict", "no_log": False},
    # env_file: the entry, file: the path, where the other accepted secret is: pending, else previous, else none.
    "companion": {"type": "str"},
    # aws
    "region": {"type": "str"},
    "profile": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "credentials_file": {"type": "path"},
    "kms_key": {"type": "str", "no_log": False},
    # aws, vault: the URL of the service (for aws only where it is not Amazon's own)
    "endpoint_url": {"type": "str"},
    "ca_bundle": {"type": "path"},
    # vault
    "mount": {"type": "str"},
    "namespace": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "token_file": {"type": "path"},
    "role_id": {"type": "str"},
    "secret_id": {"type": "str", "no_log": True},
    "secret_id_file": {"type": "path"},
    "auth_mount": {"type": "str"},
    # files: of the visible file; the state beside it is 0600 and of the user that runs this
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
}
