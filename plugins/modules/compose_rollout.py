#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a Docker Compose project so that no request fails, and roll it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_rollout
short_description: Deploy a Docker Compose project without downtime, or roll it back
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Starts the containers of the new release beside those of the old one, waits until they are healthy, and only then
    stops the old ones, each with its own grace period. When a new container fails, the new ones are removed, the old
    ones have never been touched, and the task fails with the reason.
  - The containers stay ordinary containers of the Compose project. C(docker compose up -d) run by hand after a
    deployment changes nothing.
  - Services that cannot run twice (O(services) with a C(container_name) or with a single published host port) are
    recreated instead. When the recreated service fails, the previous release of that service is started again.
  - Services that others wait for with C(service_completed_successfully) (migrations) are run once, before the services
    that depend on them. When one of them fails, nothing that depends on it is touched.
  - Only what differs is deployed. Seen are a changed service definition or environment, a tag that moved to another
    image, a changed number of replicas, changed contents of secret, config and env files, and replicas that died.
  - An interrupted run needs no cleaning up. The next run looks at what is there and finishes or removes it.
notes:
  - A rolling service must be reachable through something that finds its replicas. With published ports, publish a
    range with room for the old and the new replicas (V(8001-8004:8000) for two), let the proxy in front of it
    know every port of the range, with an active health check and with retries of refused connections.
  - Set O(drain_delay) to the time that proxy needs to notice a new replica (health check interval times the passes it
    asks for).
  - Before an old container is told to stop, its network refuses new connections, which a proxy tries elsewhere, and
    its requests under way are waited for. This is done by C(iptables) and C(ss) in the container's own network
    namespace. It is left out for ports published on the loopback address, where Docker's own proxy would accept
    the connection first. Publish on the host's address, or let the Engine run with C(userland-proxy) off.
  - The files of a release in O(release_directory) are readable by root only. The resolved Compose file kept there for a
    rollback holds the values of the environment; the manifest holds no secret.
  - The image of each kept release has a local tag C(keelson-release/<project>/<service>:rollout-<n>), so that
    C(docker image prune) leaves it alone. C(docker image prune --all) doesn't.
requirements:
  - Docker SDK for Python (python3-docker) >= 5.0.3
  - Docker Compose plugin (docker compose) >= 2.20
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
    details: Computes the same plan and shows it; pulls, builds and writes nothing.
  diff_mode:
    support: full
    details: Shows per service what runs and what is to run, as digests and numbers; no values of the environment.
  idempotent:
    support: full
options:
  state:
    description:
      - V(deployed) makes the project run as its Compose files say.
      - V(rolled_back) makes it run as an earlier O(release) did.
    type: str
    choices: [deployed, rolled_back]
    default: deployed
  project:
    description: Name of the Compose project.
    type: str
    required: true
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
  services:
    description:
      - Services to deploy, in the order of their dependencies. Dependencies that aren't listed are left alone.
      - Default is all services of the project.
    type: list
    elements: str
    default: []
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
  version:
    description: What to call this release, for people and for O(release). The images are chosen by the Compose files.
    type: str
  release:
    description:
      - The release to go back to with O(state=rolled_back).
      - V(previous) is the last one that differs from what runs now.
      - Otherwise the number or the O(version) of a kept one.
    type: str
    default: previous
  pull:
    description:
      - V(missing) pulls an image when the host doesn't have it.
      - V(always) asks the registry each time.
      - V(never) fails without the image.
      - Log in first with C(docker login) where the registry wants it.
    type: str
    choices: [missing, always, never]
    default: missing
  wait_timeout:
    description:
      - Seconds that a new container has to become healthy, or, without a health check, to run for O(stable_for).
      - A container that exits, runs out of memory, becomes unhealthy or restarts over and over fails at once.
    type: float
    default: 120
  stable_for:
    description: Seconds that a container without a health check must run to count as healthy.
    type: float
    default: 3
  drain_delay:
    description: Seconds that the new containers are healthy before an old one is stopped; what a proxy needs to notice.
    type: float
    default: 0
  drain_timeout:
    description:
      - How long to wait, once new connections to an old container are refused, until it has no request under way.
      - After that it gets its stop signal and the service's own C(stop_grace_period).
    type: float
    default: 30
  keep_releases:
    description: How many successful releases are kept for rollback, the running one included.
    type: int
    default: 5
  lock_timeout:
    description: Seconds to wait for another deployment of the project; then the task fails and says who holds the lock.
    type: float
    default: 60
  release_directory:
    description: Directory of the kept releases. Default is C(/var/lib/keelson/releases/<project>).
    type: path
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
seealso:
  - module: keelson.ops.compose_release_info
"""

EXAMPLES = r"""
- name: Deploy the shop
  keelson.ops.compose_rollout:
    project: shop
    project_directory: /opt/shop
    version: "{{ shop_version }}"
    drain_delay: 4
  register: rollout

- name: Deploy a database, which must never run twice on its data
  keelson.ops.compose_rollout:
    project: data
    service_settings:
      - name: postgres
        strategy: recreate
        wait_timeout: 300

- name: Go back to the release before this one
  keelson.ops.compose_rollout:
    project: shop
    state: rolled_back

- name: Go back to a certain version
  keelson.ops.compose_rollout:
    project: shop
    state: rolled_back
    release: "2.4.1"
"""

RETURN = r"""
plan:
  description: What was decided for each service, in the order of deployment.
  returned: always
  type: list
  elements: dict
  sample:
    - service: backend
      action: roll
      strategy: rolling
      replicas: 2
      reasons: ["service definition changed"]
      start: 2
      stop: [shop-backend-1, shop-backend-2]
  contains:
    service:
      description: Name of the service.
      type: str
    action:
      description: One of V(none), V(create), V(roll), V(recreate), V(run), V(scale).
      type: str
    strategy:
      description: V(rolling), V(recreate) or V(once).
      type: str
    strategy_reason:
      description: Why that strategy.
      type: str
    replicas:
      description: Number of containers wanted.
      type: int
    reasons:
      description: What differs.
      type: list
      elements: str
    start:
      description: How many containers are started.
      type: int
    stop:
      description: Names of the containers that are stopped.
      type: list
      elements: str
release:
  description: Number of the release that runs now.
  returned: success
  type: int
version:
  description: Its name, when it has one.
  returned: success
  type: str
steps:
  description: What was done, in order, with the seconds it took.
  returned: success and on failures during the deployment
  type: list
  elements: dict
diagnostics:
  description:
    - The container that failed. State, exit code, whether it ran out of memory, the last results of its health check
      and its last log lines, with the values of secrets masked.
  returned: when a container failed
  type: dict
rolled_back:
  description: Whether the services touched so far were put back as they were.
  returned: when the deployment failed after it had begun
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._rollout.engine import HAS_DOCKER
from ansible_collections.keelson.ops.plugins.module_utils._rollout.entry import run_rollout
from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import options_from


def argument_spec() -> dict[str, dict[str, object]]:
    """The module's options, in Ansible's form."""
    setting: dict[str, dict[str, object]] = {
        "name": {"type": "str", "required": True},
        "strategy": {"type": "str", "choices": ["rolling", "recreate"]},
        "replicas": {"type": "int"},
        "parallelism": {"type": "int"},
        "wait_timeout": {"type": "float"},
    }
    return {
        "state": {"type": "str", "choices": ["deployed", "rolled_back"], "default": "deployed"},
        "project": {"type": "str", "required": True},
        "project_directory": {"type": "path"},
        "files": {"type": "list", "elements": "path", "default": ["compose.yaml"]},
        "env_files": {"type": "list", "elements": "path", "default": []},
        "profiles": {"type": "list", "elements": "str", "default": []},
        "services": {"type": "list", "elements": "str", "default": []},
        "service_settings": {"type": "list", "elements": "dict", "default": [], "options": setting},
        "version": {"type": "str"},
        "release": {"type": "str", "default": "previous"},
        "pull": {"type": "str", "choices": ["missing", "always", "never"], "default": "missing"},
        "wait_timeout": {"type": "float", "default": 120},
        "stable_for": {"type": "float", "default": 3},
        "drain_delay": {"type": "float", "default": 0},
        "drain_timeout": {"type": "float", "default": 30},
        "keep_releases": {"type": "int", "default": 5},
        "lock_timeout": {"type": "float", "default": 60},
        "release_directory": {"type": "path"},
        "audit_log": {"type": "path", "default": "/var/log/keelson/rollout.jsonl"},
        "metrics_directory": {"type": "str", "default": "/var/lib/prometheus/node-exporter"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if not HAS_DOCKER:
        module.fail_json(msg=missing_required_lib("docker", reason="(package python3-docker)"))
    run_module(module, lambda: run_rollout(options_from(module.params), check=module.check_mode))


if __name__ == "__main__":
    main()
