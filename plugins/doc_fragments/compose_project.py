# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that work on a Compose project say about where it is and where its releases are kept."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of a project's files, the records of its releases, its services and its hooks."""

    DOCUMENTATION = r"""
options:
  project:
    description: Name of the Compose project.
    type: str
    required: true
  release_directory:
    description: Directory of the kept releases. Default is C(/var/lib/keelson/releases/<project>).
    type: path
"""

    FILES = r"""
options:
  project_directory:
    description: Directory of the Compose project. Default is C(/opt/<project>).
    type: path
  files:
    description: Compose files, later ones override earlier ones. Relative to O(project_directory).
    type: list
    elements: path
    default: [compose.yaml]
  env_files:
    description:
      - Files with the variables that the Compose files interpolate. Relative to O(project_directory).
      - Default is C(.env) in O(project_directory) when it exists, as C(docker compose) does.
    type: list
    elements: path
    default: []
  profiles:
    description: Profiles to enable.
    type: list
    elements: str
    default: []
"""

    RECORDS = r"""
options:
  keep_releases:
    description: How many successful releases are kept for rollback, the running one included.
    type: int
    default: 5
  lock_timeout:
    description: Seconds to wait for another deployment of the project; then the task fails and says who holds the lock.
    type: float
    default: 60
  audit_log:
    description: File that gets one JSON line per deployment that changed or failed.
    type: path
    default: /var/log/keelson/rollout.jsonl
  metrics_directory:
    description:
      - Directory of the node exporter's textfile collector, for C(keelson_rollout_<project>.prom).
      - Set to an empty string to write none.
    type: str
    default: /var/lib/prometheus/node-exporter
"""

    SERVICES = r"""
options:
  service_settings:
    description: What differs for one service.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      strategy:
        description:
          - V(rolling) starts the new containers before it stops the old ones. Refused where that cannot be.
          - V(recreate) stops the old containers first. For databases and whatever else must not run twice at a time.
          - Default is V(rolling) where that is possible, else V(recreate); the plan says why.
        type: str
        choices: [rolling, recreate]
      replicas:
        description: Number of containers. Default is what the Compose files say (C(scale), C(deploy.replicas)), else 1.
        type: int
      parallelism:
        description:
          - How many new containers of a rolling service are started at a time.
          - Default is as many as there are replicas, or fewer when the range of published ports has no more room.
        type: int
      wait_timeout:
        description: As O(wait_timeout), for this service.
        type: float
      checks:
        description:
          - What else must be healthy before a new container counts as ready, beside Docker's own health check.
          - Checks of the kinds C(http) and C(tcp) as in M(keelson.ops.health_wait), without credentials, tried on this
            host. C({address}) is replaced by the address of the container, C({container}) by its name.
        type: list
        elements: dict
        default: []
      migrate:
        description:
          - Command, as a list of words, that is run once in a container of the new image before the service is touched.
          - When it fails, nothing of the service is changed. Not run by a rollback.
        type: list
        elements: str
        default: []
"""

    HOOKS = r"""
options:
  hooks:
    description:
      - Command lines (no shell) to run on the host in O(project_directory) when something is deployed. They find
        C(KEELSON_PROJECT), C(KEELSON_VERSION) and what is known at the moment (C(KEELSON_SERVICE), C(KEELSON_RELEASE),
        C(KEELSON_ERROR)) in their environment. A hook that fails stops the deployment as a failed container does.
    type: dict
    suboptions:
      pre_deploy:
        description: Before anything is touched.
        type: list
        elements: str
      pre_switch:
        description: When the new containers of a service are healthy and before requests are moved to them.
        type: list
        elements: str
      post_switch:
        description: When requests have been moved and before the old containers are stopped.
        type: list
        elements: str
      post_deploy:
        description: When the release is complete. It stays when this fails.
        type: list
        elements: str
      on_failure:
        description: When the deployment has failed and what had been changed is back.
        type: list
        elements: str
"""
