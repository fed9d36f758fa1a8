# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that pg_backup, pg_backup_info and pg_restore share."""

from __future__ import annotations


class ModuleDocFragment:
    """Documents what ``module_utils/_backup/arguments.py`` declares."""

    DOCUMENTATION = r"""
options:
  config:
    description:
      - Name of a backup that the role P(keelson.ops.postgres_backup#role) configured on the host. All other options
        but the one for the age are then taken from there.
      - Otherwise O(destinations) is needed, with O(databases) or with O(command).
    type: str
  name:
    description:
      - Name of this backup, for its state, lock and metrics on the host. The first database's name when not given.
      - With O(source=command) it is needed, and is also the name of what is backed up.
    type: str
  source:
    description:
      - V(postgres) dumps O(databases) of a server. V(command) takes what O(command) writes to its standard output.
      - Points of commands are kept in the folder C(@commands) of each destination, so that no database of the same
        name is mixed up with them.
    type: str
    choices: [postgres, command]
  command:
    description:
      - Program and arguments, with no shell, that write a dump to standard output, such as
        V([mongodump, --archive, --quiet]).
      - It has to exit with 0 and to write something, or there is no backup. It runs as O(run_as), with O(command_env).
      - MongoDB's programs were not run by this project's tests; a stand-in with the same behaviour was.
    type: list
    elements: str
  command_env:
    description: Environment for O(command) and O(verify_command). The place for a password, which arguments are not.
    type: dict
  verify_command:
    description:
      - Program and arguments that read such a dump from standard input to its end and exit with 0 when it is whole,
        such as V([mongorestore, --archive, --dryRun]). Without it V(read) verifies hashes only.
    type: list
    elements: str
  databases:
    description: Databases of one server. Each has restore points of its own.
    type: list
    elements: str
    aliases: [database]
  login_host:
    description: Host of the server. Without it, O(login_unix_socket) and a container, libpq's default socket.
    type: str
    aliases: [host]
  login_port:
    description: Port of the server.
    type: int
    default: 5432
    aliases: [port]
  login_user:
    description: Role to connect as. Only a superuser's backup holds the passwords of roles.
    type: str
    default: postgres
  login_password:
    description: Its password. PostgreSQL's programs get it in a private file or by environment, never as an argument.
    type: str
  login_unix_socket:
    description: Directory of the server's socket.
    type: path
    aliases: [unix_socket]
  ssl_mode:
    description: How the connection is encrypted and the server identified, in libpq's words.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File with the authority's certificate, for V(verify-ca) and V(verify-full).
    type: path
    aliases: [ssl_rootcert]
  ssl_cert:
    description: File with the client's certificate.
    type: path
  ssl_key:
    description: File with the client's key.
    type: path
  run_as:
    description:
      - User of the operating system that runs PostgreSQL's programs; V(postgres) for peer authentication on the socket.
      - In a container, V(postgres) when not given.
    type: str
  bin_dir:
    description:
      - Directory of PostgreSQL's programs. When not given, those of the server's major version in Debian's layout, or
        those in E(PATH).
    type: path
  container:
    description: Name or id of the container that PostgreSQL runs in. Its own programs and its local socket are used.
    type: str
  compose_project:
    description: Compose project of the service in O(compose_service).
    type: str
  compose_service:
    description: Compose service that PostgreSQL runs in.
    type: str
  destinations:
    description:
      - Where restore points are kept. Each dump is streamed to all of them at once, and is published in all or none.
      - The first one is preferred for reading.
    type: list
    elements: dict
    suboptions:
      type:
        description: Kind of the destination.
        type: str
        choices: [directory, s3]
        required: true
      path:
        description: Directory on the host, for V(directory).
        type: path
      bucket:
        description: Bucket, for V(s3).
        type: str
      prefix:
        description: What all keys begin with. Hosts that share a bucket need different ones.
        type: str
      endpoint_url:
        description: URL of a service other than AWS.
        type: str
      region:
        description: Region of the bucket, V(us-east-1) when not given.
        type: str
      access_key:
        description:
          - Access key. Without it and O(destinations[].credentials_file), what boto3 finds in the environment, in
            O(destinations[].profile) or from the machine's role.
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
      server_side_encryption:
        description: Encryption at rest by the service. The bucket's default when not given.
        type: str
        choices: [AES256, 'aws:kms']
      kms_key_id:
        description: Key for V(aws:kms).
        type: str
      storage_class:
        description:
          - Storage class of the dumps, such as V(STANDARD_IA). What describes them is small, has to be readable at any
            time, and is stored in the standard class.
        type: str
      object_lock_mode:
        description:
          - Lock each object for O(destinations[].object_lock_days), in a bucket made with object lock. Under
            V(COMPLIANCE) nobody can shorten it; under V(GOVERNANCE) those with a special permission can.
          - Retention then only hides points, with delete markers, until their locks are over.
        type: str
        choices: [GOVERNANCE, COMPLIANCE]
      object_lock_days:
        description: For how many days objects are locked, counted from their upload.
        type: int
      ca_bundle:
        description: File with the authority of the endpoint's certificate.
        type: path
      max_attempts:
        description: How often a request is tried, with growing pauses, before the run fails; V(6) when not given.
        type: int
  decryption_identity:
    description:
      - File with the secret key that reads encrypted restore points, an age identity or an exported secret key of gpg.
        Best kept off this host.
      - gpg gets it in a keyring of its own that lives as long as the run, in memory where the machine has C(/dev/shm).
    type: path
  decryption_passphrase_file:
    description: File with the passphrase of the gpg key in O(decryption_identity), when it has one.
    type: path
  lock_timeout:
    description: How long to wait for another run of this backup, as V(90), V(30m) or V(2h).
    type: str
    default: '60'
  state_dir:
    description: Directory of the locks, journals and last results.
    type: path
    default: /var/lib/keelson/backup
  audit_log:
    description: File that gets a JSON line for each published backup, verification, restore and failure.
    type: path
    default: /var/log/keelson/backup.jsonl
  metrics_dir:
    description: Directory of the node exporter's textfile collector.
    type: path
    default: /var/lib/prometheus/node-exporter
requirements:
  - zstd
  - age or gpg (2.2 or newer), for encryption
  - boto3 for a destination of type V(s3)
  - PostgreSQL's client programs of the server's major version, or the docker command for a server in a container
"""

    # The one further option of pg_restore that repeats those of the connection.
    TARGET_SERVER = r"""
options:
  target_server:
    description: Another server to restore into, with the connection options that the backed up one has.
    type: dict
    suboptions:
      login_host:
        description: Host of the server. Without it, O(target_server.login_unix_socket) and a container, libpq's
          default socket.
        type: str
      login_port:
        description: Port of the server.
        type: int
      login_user:
        description: Role to connect as. Only a superuser's backup holds the passwords of roles.
        type: str
      login_password:
        description: Its password. PostgreSQL's programs get it in a private file or by environment, never as an
          argument.
        type: str
      login_unix_socket:
        description: Directory of the server's socket.
        type: path
      ssl_mode:
        description: How the connection is encrypted and the server identified, in libpq's words.
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      ca_cert:
        description: File with the authority's certificate, for V(verify-ca) and V(verify-full).
        type: path
      ssl_cert:
        description: File with the client's certificate.
        type: path
      ssl_key:
        description: File with the client's key.
        type: path
      run_as:
        description:
          - User of the operating system that runs PostgreSQL's programs; V(postgres) for peer authentication on
            the socket.
          - In a container, V(postgres) when not given.
        type: str
      bin_dir:
        description:
          - Directory of PostgreSQL's programs. When not given, those of the server's major version in Debian's
            layout, or
            those in E(PATH).
        type: path
      container:
        description: Name or id of the container that PostgreSQL runs in. Its own programs and its local socket are
          used.
        type: str
      compose_project:
        description: Compose project of the service in O(target_server.compose_service).
        type: str
      compose_service:
        description: Compose service that PostgreSQL runs in.
        type: str
"""
