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
  - Starts the containers of the new release beside those of the old one, waits until they are healthy, moves the
    requests over, and only then stops the old ones, all at once and each with its own grace period. When a new
    container fails, the new ones are removed, the old ones serve on, and the task fails with the reason.
  - A container is healthy when the test of its own health check passes. It is run when a program in the container
    begins to listen, and then up to three times a second (as long as none listens once a second, and in a container
    that publishes ports not at all), as Docker itself runs it once an interval (30 seconds by default), and may say
    C(starting) for some time afterwards. When Docker calls it C(unhealthy), it has failed.
  - The containers stay ordinary containers of the Compose project. C(docker compose up -d) run by hand after a
    deployment changes nothing (Compose itself starts services again that have completed).
  - Services that cannot run twice are recreated instead, such as one with a C(container_name), a single published host
    port, or a volume that its only replica writes to. When the recreated service fails, the previous release of it is
    started again.
  - Services that others wait for with C(service_completed_successfully) (migrations) are run once, before the services
    that depend on them. When one of them fails, nothing that depends on it is touched. A rollback does not run them.
  - Only what differs is deployed. Seen are a changed service definition or environment, a tag that moved to another
    image, a changed number of replicas, changed contents of secret and config files, and replicas that died.
  - An interrupted run needs no cleaning up. The next run looks at what is there and finishes or removes it.
notes:
  - A rolling service must be reachable through something that finds its replicas. With published ports, publish a
    range with room for the old and the new replicas (V(8001-8004:8000) for two).
  - Name the Caddy or nginx of this host in O(proxy), and it is told where to send requests at each step.
  - Without O(proxy), let whatever is in front know every port of the range, with an active health check and with
    retries of refused connections, and set O(drain_delay) to the time that it needs to notice a new replica.
  - The old containers' own networks refuse new connections before they stop; who knows several replicas tries those
    elsewhere, whatever the method. Without O(proxy) this alone moves the requests. It takes C(nsenter), C(iptables)
    and C(ss) on the host. It is left out for ports published on the loopback address, where Docker's own proxy would
    accept the connection first; name the proxy, publish on the host's address, or let the Engine run with
    C(userland-proxy) off.
  - Caddy opens its ports anew at every reload, whoever asks for it, and the kernel resets connections that wait in the
    old socket at that moment. With C(net.ipv4.tcp_migrate_req) at 1 (Linux 5.14 and later), as role
    P(keelson.ops.caddy#role) sets it, they are moved to the new one.
  - The files in O(release_directory) are readable by root only. The resolved Compose file kept there for a rollback
    holds the values of the environment; the manifest holds no secret.
  - The image of each kept release has a local tag C(keelson-release/<project>/<service>:rollout-<n>), so that
    C(docker image prune) leaves it alone. C(docker image prune --all) doesn't.
requirements:
  - Docker SDK for Python (python3-docker) >= 5.0.3
  - Docker Compose plugin (docker compose) >= 2.20
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
  - keelson.ops.compose_project
  - keelson.ops.compose_project.files
  - keelson.ops.compose_project.records
  - keelson.ops.compose_project.services
  - keelson.ops.compose_project.hooks
  - keelson.ops.compose_project.proxy
attributes:
  check_mode:
    support: full
    details: Computes the same plan and shows it; pulls, builds and writes nothing.
  diff_mode:
    support: full
    details: Shows per service what runs and what is to run, as digests and numbers; no values of the environment.
  idempotent:
    support: partial
    details: Each run with O(state=rolled_back) and O(release=previous) goes one release further back.
options:
  state:
    description: V(deployed) runs the project as its Compose files say, V(rolled_back) as an earlier O(release) did.
    type: str
    choices: [deployed, rolled_back]
    default: deployed
  services:
    description:
      - Services to deploy, in the order of their dependencies. Dependencies that aren't listed are left alone.
      - Default is all services of the project.
    type: list
    elements: str
    default: []
  version:
    description:
      - What to call this release, for people and for O(release).
      - The images are chosen by the Compose files, or by O(service_settings[].image).
    type: str
  planned_files:
    description:
      - Only looked at in check mode. Files of the project that the tasks before this one would write, as the base64 of
        a JSON object of absolute paths and contents. The plan is made as if they were there. They exist in memory only,
        seen by this process and its children.
      - On a host where Docker is not there yet, the result is changed, without a plan.
    type: str
  release:
    description:
      - The release to go back to with O(state=rolled_back).
      - V(previous) is the last one that differs from what runs now.
      - Otherwise the number or the O(version) of a kept one.
    type: str
    default: previous
  pull:
    description: When to pull images.
    type: str
    choices: [missing, always, never]
    default: missing
  registry:
    description:
      - Logins for the registries that the images come from. They go to the Engine with each pull, and are neither
        written to a file nor kept. Whatever C(docker login) has kept for the user counts for other registries.
    type: list
    elements: dict
    default: []
    suboptions:
      server:
        description: Name of the registry as in the names of its images, C(docker.io) for Docker Hub.
        type: str
        required: true
      username:
        description: Who logs in.
        type: str
        required: true
      password:
        description: Password or token.
        type: str
        required: true
  remove_orphans:
    description:
      - Whether containers of services that are in no Compose file any more are removed after the deployment, when they
        have finished their requests and with their own grace period. Without it a warning names them.
      - A service of a profile that isn't enabled is no orphan. When a rollback has succeeded, whatever the release to
        go back to did not have is one.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds that a new container has to become healthy, or, without a health check, to run for O(stable_for).
      - A container that exits, runs out of memory, becomes unhealthy or restarts over and over fails at once.
      - Default is 120. As with the other times, a rollback takes the value that the release was deployed with.
    type: float
  stable_for:
    description: Seconds that a container without a health check must run to count as healthy. Default is 3.
    type: float
  drain_delay:
    description: Seconds that new containers are healthy before they get requests, for a proxy to notice. Default is 0.
    type: float
  drain_timeout:
    description:
      - How long to wait, once new connections to the old containers are refused, until they have no request under way.
      - Before that, a O(proxy) has up to five seconds of it for clients that had connected when it was switched and ask
        later. Of a Caddy that has a network of its own, and of HTTP/3, these clients cannot be seen.
      - After that they get their stop signal and their own C(stop_grace_period). That has begun with the switch for one
        whose requests have all ended and whose first process does nothing on that signal, such as a shell.
      - Default is 30.
    type: float
  watch:
    description:
      - Seconds that the new containers serve while the old ones are kept running without requests.
      - When a new one fails or restarts in that time, the requests go back to the old ones at once. Default is 0.
    type: float
  probe:
    description: A URL that is asked ten times a second during the deployment, to measure what its users see.
    type: str
seealso:
  - module: keelson.ops.compose_release_info
  - module: keelson.ops.health_wait
"""

EXAMPLES = r"""
- name: Deploy the shop
  keelson.ops.compose_rollout:
    project: shop
    project_directory: /opt/shop
    version: "{{ shop_version }}"
    drain_delay: 4
  register: rollout

# The site of nginx says "proxy_pass http://shop_web;" with "proxy_connect_timeout 1s;".
- name: Deploy behind the nginx of this host
  keelson.ops.compose_rollout:
    project: shop
    proxy:
      - {type: nginx, service: web, port: 8000}

# The site of Caddy names every port that web publishes:
#   reverse_proxy 127.0.0.1:8001 127.0.0.1:8002 127.0.0.1:8003 127.0.0.1:8004 {
#     health_uri /health
#     lb_try_duration 5s
#   }
- name: Deploy behind the Caddy of this host
  keelson.ops.compose_rollout:
    project: shop
    watch: 30
    proxy:
      - {type: caddy, service: web, port: 8000}

# The site of Caddy takes its upstreams from a file of this module:
#   reverse_proxy {
#     import /etc/caddy/shop.web*
#     lb_try_duration 5s
#   }
- name: Deploy a service that publishes no ports
  keelson.ops.compose_rollout:
    project: shop
    proxy:
      - {type: caddy, service: web, port: 8000, address: container, file: /etc/caddy/shop.web}

- name: Deploy one image of a private registry
  keelson.ops.compose_rollout:
    project: shop
    version: "{{ shop_version }}"
    registry:
      - {server: registry.example.com, username: deploy, password: "{{ vault_registry_password }}"}
    service_settings:
      - name: web
        image: "registry.example.com/shop/web:{{ shop_version }}"

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
  description: What was done, in order, with the seconds that each step took.
  returned: success and on failures during the deployment
  type: list
  elements: dict
seconds:
  description: How long the module was at work on the host, the start of its Python included, Ansible's own time not.
  returned: success and on failures during the deployment, not in check mode
  type: float
  sample: 4.52
orphans:
  description: Containers of services that no Compose file defines any more; removed when O(remove_orphans) is set.
  returned: success
  type: list
  elements: str
proxies:
  description: Where each of O(proxy) sent requests before, and where it sends them now.
  returned: success
  type: list
  elements: dict
  sample:
    - type: nginx
      service: web
      changed: false
      before: ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003", "127.0.0.1:8004"]
      after: ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003", "127.0.0.1:8004"]
diagnostics:
  description:
    - The container that failed. State, exit code, whether it ran out of memory, the last results of its health check
      and its last log lines, with the values of secrets masked.
  returned: when a container failed
  type: dict
rolled_back:
  description: Whether what had been changed was put back as it was.
  returned: when the deployment failed after it had begun
  type: bool
resumed_after:
  description: The last step of the run before, when that was killed.
  returned: when it was
  type: dict
probe:
  description: What O(probe) saw.
  returned: success and on failures during the deployment, when O(probe) is set and something was deployed
  type: dict
  contains:
    total:
      description: Requests sent.
      type: int
    failed:
      description: Requests that got no answer or an error.
      type: int
    longest_gap:
      description: Longest time between two good answers, in seconds.
      type: float
    p99:
      description: 99th percentile of the seconds that a good answer took.
      type: float
"""

from importlib.util import find_spec

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._rollout.entry import run_rollout
from ansible_collections.keelson.ops.plugins.module_utils._rollout.hooks import MOMENTS
from ansible_collections.keelson.ops.plugins.module_utils._rollout.options import options_from


def argument_spec() -> dict[str, dict[str, object]]:
    """The module's options, in Ansible's form."""
    setting: dict[str, dict[str, object]] = {
        "name": {"type": "str", "required": True},
        "strategy": {"type": "str", "choices": ["rolling", "recreate"]},
        "replicas": {"type": "int"},
        "parallelism": {"type": "int"},
        "wait_timeout": {"type": "float"},
        "checks": {"type": "list", "elements": "dict", "default": []},
        "migrate": {"type": "list", "elements": "str", "default": []},
        "image": {"type": "str"},
    }
    login: dict[str, dict[str, object]] = {
        "server": {"type": "str", "required": True},
        "username": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
    }
    proxy: dict[str, dict[str, object]] = {
        "type": {"type": "str", "choices": ["caddy", "nginx"], "required": True},
        "service": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "address": {"type": "str", "choices": ["published", "container"], "default": "published"},
        "file": {"type": "path"},
        "admin": {"type": "str"},
        "id": {"type": "str"},
        "name": {"type": "str"},
        "directives": {"type": "list", "elements": "str"},
        "command": {"type": "str"},
        "pid_file": {"type": "path"},
    }
    moments: dict[str, dict[str, object]] = {moment: {"type": "list", "elements": "str"} for moment in MOMENTS}
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
        "planned_files": {"type": "str", "no_log": True},
        "release": {"type": "str", "default": "previous"},
        "pull": {"type": "str", "choices": ["missing", "always", "never"], "default": "missing"},
        "wait_timeout": {"type": "float"},
        "stable_for": {"type": "float"},
        "drain_delay": {"type": "float"},
        "drain_timeout": {"type": "float"},
        "watch": {"type": "float"},
        "hooks": {"type": "dict", "options": moments},
        "registry": {"type": "list", "elements": "dict", "default": [], "options": login},
        "remove_orphans": {"type": "bool", "default": False},
        "proxy": {"type": "list", "elements": "dict", "options": proxy},
        "probe": {"type": "str"},
        "keep_releases": {"type": "int", "default": 5},
        "lock_timeout": {"type": "float", "default": 60},
        "release_directory": {"type": "path"},
        "audit_log": {"type": "path", "default": "/var/log/keelson/rollout.jsonl"},
        "metrics_directory": {"type": "str", "default": "/var/lib/prometheus/node-exporter"},
    }


def docker_engine() -> object:
    """A connection to the Engine, for a look whether there is one."""
    from ansible_collections.keelson.ops.plugins.module_utils._rollout.engine import DockerEngine  # noqa: PLC0415

    return DockerEngine()


def preview_planned(module: AnsibleModule) -> dict[str, object]:
    """The plan with files that are not written yet."""
    from ansible_collections.keelson.ops.plugins.module_utils._rollout import planned  # noqa: PLC0415

    options = options_from(module.params)
    return planned.preview_planned(
        options.directory,
        module.params["planned_files"],
        planned.obstacle_on(SubprocessRunner(), docker_engine if find_spec("docker") else None),
        lambda: run_rollout(options, check=True, tell=module.warn),
        planned.SystemMounts(),
    )


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if module.check_mode and module.params["planned_files"]:
        run_module(module, lambda: preview_planned(module))
    if find_spec("docker") is None:
        module.fail_json(msg=missing_required_lib("docker", reason="(package python3-docker)"))
    run_module(module, lambda: run_rollout(options_from(module.params), check=module.check_mode, tell=module.warn))


if __name__ == "__main__":
    main()
