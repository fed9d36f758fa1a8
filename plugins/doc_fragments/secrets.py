# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which secrets, where each is kept, what it opens and how a new one is made."""

from __future__ import annotations

from textwrap import indent

# As module_utils/_secrets/store_options.py declares it.
_STORE = r"""
type:
  description:
    - V(aws) is AWS Secrets Manager, V(vault) HashiCorp Vault KV version 2.
    - V(env_file) is an entry of an env file, V(file) a file of its own, as Docker secrets are. Both keep the
      pending and the previous secret in a file beside it that only this user can read.
  type: str
  choices: [aws, vault, env_file, file]
secret:
  description: Name or ARN of the secret with V(aws), its path below O(store.mount) with V(vault).
  type: str
path:
  description: The file with V(env_file) and V(file).
  type: path
key:
  description:
    - The key that holds the value. V(aws) takes the whole text of the secret without it, V(vault) takes V(value).
    - All other keys of a JSON secret and all other lines of an env file stay as they are.
  type: str
attribute_keys:
  description:
    - Where to keep what belongs to the secret without being secret, such as the entry C(DB_USER) for C(username).
    - Attributes are C(username) of a login, C(key_id) and C(public_key) of a key pair.
    - Keys like O(store.key). With V(file) paths of other files.
  type: dict
companion:
  description:
    - Where to put the other secret that has to be accepted meanwhile, the one to come or the one before, such as
      V(JWT_SECRET_PREVIOUS). Only V(env_file), the entry, and V(file), the path.
  type: str
region:
  description: Region of V(aws). By default as the AWS tools find it.
  type: str
profile:
  description: Profile of V(aws), in O(store.credentials_file) or where the AWS tools look.
  type: str
access_key:
  description: Access key of V(aws). By default as the AWS tools find it, which includes the role of the machine.
  type: str
secret_key:
  description: Its secret.
  type: str
session_token:
  description: Its session token.
  type: str
credentials_file:
  description: A file with profiles of V(aws), readable by its owner only.
  type: path
kms_key:
  description: The KMS key of a secret that is created with V(aws).
  type: str
endpoint_url:
  description: URL of the service. With V(vault) C(VAULT_ADDR) by default.
  type: str
ca_bundle:
  description: Certificates to trust. With V(vault) C(VAULT_CACERT) by default.
  type: path
mount:
  description: Mount of KV version 2 with V(vault). V(secret) by default.
  type: str
namespace:
  description: Namespace with V(vault). C(VAULT_NAMESPACE) by default.
  type: str
token:
  description: Token with V(vault). C(VAULT_TOKEN) by default.
  type: str
token_file:
  description: File with the token, readable by its owner only.
  type: path
role_id:
  description: AppRole to log in with, instead of a token.
  type: str
secret_id:
  description: Its secret id.
  type: str
secret_id_file:
  description: File with the secret id, readable by its owner only.
  type: path
auth_mount:
  description: Mount of the AppRole method. V(approle) by default.
  type: str
owner:
  description: Owner of the file. An existing one keeps its own.
  type: str
group:
  description: Group of the file. An existing one keeps its own.
  type: str
mode:
  description: Mode of the file. An existing one keeps its own; a new one has V(0600), with type V(file) V(0400).
  type: str
"""

# As module_utils/_secrets/targets declares them.
_TARGET = r"""
policy:
  description: How a new value is made, from the system's own source of chance.
  type: dict
  suboptions:
    length:
      description: Characters. 40 by default, 64 with V(jwt), which take no fewer.
      type: int
    alphabet:
      description: V(url_safe), V(alphanumeric), V(hex), V(digits), or the characters themselves.
      type: str
target:
  description: What the secret opens. Without it, only the store changes.
  type: dict
  suboptions:
    type:
      description:
        - V(postgres) is a login of PostgreSQL, V(redis) an ACL user of Redis, V(jwt) a secret that signs tokens.
        - V(command) is whatever commands can set. V(none) is stored only.
      type: str
      choices: [postgres, redis, jwt, command, none]
      default: none
    login_host:
      description: Server of V(postgres) and V(redis). V(127.0.0.1) by default.
      type: str
    login_port:
      description: Its port. V(5432) or V(6379) by default.
      type: int
    login_unix_socket:
      description: Its socket, or with V(postgres) the directory of it, instead.
      type: path
    login_user:
      description:
        - Who changes passwords there. A role with C(CREATEROLE), an ACL user that may C(ACL).
        - With O(secrets[].target.strategy=single) the role itself by default.
      type: str
    login_password:
      description: Their password.
      type: str
    login_database:
      description: Database of the login with V(postgres).
      type: str
    ssl_mode:
      description: TLS with V(postgres), as libpq calls it.
      type: str
      choices: [disable, allow, prefer, require, verify-ca, verify-full]
      default: prefer
    tls:
      description: Whether V(redis) is reached by TLS.
      type: bool
      default: false
    ca_cert:
      description: Certificates to trust.
      type: path
    username:
      description:
        - With V(redis), the ACL user.
        - With V(postgres), the role that owns what the application makes. The role that logs in, too, with
          O(secrets[].target.strategy=single).
      type: str
    strategy:
      description:
        - V(alternating) has two login roles that take turns, both members of O(secrets[].target.username) and
          acting as it, so that what one makes belongs to both. No login fails. The store has to keep the user
          name beside the password, see O(secrets[].store.attribute_keys).
        - V(single) changes the password of one role. Logins between that and the moment the application takes the
          new one fail.
      type: str
      choices: [alternating, single]
      default: alternating
    usernames:
      description: The two login roles with V(alternating). By default C(<username>_1) and C(<username>_2).
      type: list
      elements: str
      default: []
    rules:
      description: Rules of an ACL user that does not exist yet, such as V(~shop:*) and V(+@all).
      type: list
      elements: str
      default: []
    persist:
      description: V(auto) writes the change of V(redis) where a restart finds it, and fails where that cannot be.
      type: str
      choices: [auto, none]
      default: auto
    algorithm:
      description: Signature with V(jwt). V(HS256), V(HS384) and V(HS512) have one value, the others a key pair.
      type: str
      choices: [HS256, HS384, HS512, RS256, ES256, EdDSA]
      default: HS256
    jwks_file:
      description: File of the published key set (JWKS) of a key pair.
      type: path
    cache_seconds:
      description:
        - For how long verifiers may keep what was published. A new secret signs only after that time.
        - 300 by default for key pairs, else 0.
      type: float
    set:
      description:
        - Command that makes the target accept a secret. It reads the new one from the first line of its standard
          input and the current one from the second. Exit code 65 asks for another value.
      type: list
      elements: str
      default: []
    test:
      description: Command that reads a secret from its standard input and exits with 0 when it works, 1 when not.
      type: list
      elements: str
      default: []
    revoke:
      description: Command that reads the retired secret from the first line, the one that stays from the second.
      type: list
      elements: str
      default: []
    overlaps:
      description: Whether the current secret works on after O(secrets[].target.set).
      type: bool
      default: false
    timeout:
      description: Seconds that each command may take.
      type: float
      default: 30.0
"""

_INITIAL = r"""
overlap:
  description: As O(overlap), for this one.
  type: str
initial:
  description:
    - The secret that is in use already, to be stored when the store has none. It is tested before.
    - Without it a new one is made when the store has none.
  type: str
initial_attributes:
  description: Its attributes, such as C(username).
  type: dict
"""

_SECRETS = r"""
options:
  max_age:
    description: Age at which a secret is to be rotated, as V(90d) or V(12h).
    type: str
    default: 90d
  secrets:
    description: The secrets.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the secret is called in results, metrics and the journal. Letters, digits, dots, C(_), C(-).
        type: str
        required: true
      max_age:
        description: As O(max_age), for this one.
        type: str
      store:
        description: Where this one is kept; what it does not say is as in O(store).
        type: dict
        suboptions:
""" + indent(_STORE, " " * 10)


class ModuleDocFragment:
    """Documents the options of secret_rotate and secret_info that are not their own."""

    # The option store, for all secrets of a call.
    # Annotated, as sanity tests take every plain assignment here for one literal.
    DOCUMENTATION: str = r"""
notes:
  - V(aws) needs the actions C(secretsmanager:ListSecretVersionIds), C(DescribeSecret), C(GetSecretValue),
    C(PutSecretValue), C(UpdateSecretVersionStage), and C(CreateSecret) for secrets that do not exist yet. Don't turn on
    the rotation of Secrets Manager itself for the same secret.
  - V(vault) is KV version 2. The policy of the token must allow C(create), C(read), C(update) and C(delete) for
    C(<mount>/data/<secret>), C(<mount>/metadata/<secret>) and the same with C(-pending) at the end. A pending secret
    lies at C(<secret>-pending), so a plain read of the secret never returns it.
  - The collection is tested against a stand-in of Vault that enforces C(cas), versions and tokens, not against Vault
    itself, which no Debian package provides.
options:
  store:
    description:
      - Where the secrets are kept. What is given here holds for all of O(secrets); each can say otherwise.
    type: dict
    suboptions:
""" + indent(_STORE, " " * 6)

    # The list of secrets for a module that only looks.
    LOOK: str = _SECRETS

    # The list of secrets for one that rotates them.
    ROTATE: str = _SECRETS + indent(_TARGET + _INITIAL, " " * 6)
