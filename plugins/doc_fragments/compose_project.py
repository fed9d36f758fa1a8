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
      image:
        description:
          - The image to run instead of the one that the Compose files name.
          - After the deployment it stands in C(compose.override.yaml) in O(project_directory), which C(docker compose)
            reads by itself, so that a C(docker compose up) by hand keeps it. A rollback puts the former image there,
            and a deployment without this option removes it. A file of that name that is not the module's is refused.
        type: str
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

    PROXY = r"""
options:
  proxy:
    description:
      - The proxies in front of the project's services, each entry one proxy of one service. They are told in three
        steps where to send requests. Before new containers exist, only to those that serve; when the new ones are
        healthy, only to them; when the old ones are gone, to what stays true after a reboot. nginx holds other ports in
        reserve and needs the second step only. When the new containers fail, the requests go back to the old ones.
      - A proxy that does not run or whose configuration isn't valid fails the task before anything is touched. What a
        proxy refuses is put back as it was.
      - A rollback goes through the proxies that the release was deployed with, unless it names others.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(nginx) includes O(proxy[].file), an C(upstream) block for C(proxy_pass http://<name>;). It is tested with
            C(nginx -t) and loaded by SIGHUP.
          - V(caddy) is told by its administration endpoint. Changed are its C(reverse_proxy) handlers whose upstreams
            are all of this service, or the one with the O(proxy[].id). With published ports give the handler an active
            health check (C(health_uri)), so that it leaves ports out that nobody listens on. Caddy before 2.11.2 can
            not try elsewhere what has a body, and none retries across a change of its configuration.
        type: str
        choices: [caddy, nginx]
        required: true
      service:
        description: Service that it sends requests to.
        type: str
        required: true
      port:
        description: TCP port that the containers of the service listen on.
        type: int
        required: true
      address:
        description:
          - V(published) reaches a container by its host port. The service publishes a range with room for the old and
            the new replicas; between deployments the proxy knows every port of it, whichever Docker chooses after a
            reboot. A port that nobody listens on refuses at once, and the proxy tries the next. For nginx the ports of
            others than the present containers are a C(backup), unless O(proxy[].directives) has C(hash), C(ip_hash) or
            C(random), which know none; after a reboot the next run sees to it that all containers get their share.
          - V(container) reaches a container by its own address. Docker gives containers other addresses when the host
            has been rebooted, and the requests fail until this module has run again; prefer V(published).
        type: str
        choices: [published, container]
        default: published
      file:
        description:
          - File that holds the upstreams and is included by the proxy's configuration.
          - Default for nginx is C(/etc/nginx/conf.d/keelson-<project>-<service>.conf).
          - For Caddy, a file to C(import) inside the C(reverse_proxy) block, so that a reload of the Caddyfile during
            a deployment changes nothing. With O(proxy[].address=published) it may be left out when the Caddyfile
            names every port of the range. The file must exist before Caddy first reads it; C(import) with a C(*) at
            the end of the path may find none.
        type: path
      admin:
        description: Administration endpoint of Caddy, a URL or C(unix//path). Default is C(http://localhost:2019).
        type: str
      id:
        description: The C(@id) of the handler in a configuration of Caddy that is written in JSON.
        type: str
      name:
        description: Name of the upstream block of nginx. Default is C(<project>_<service>).
        type: str
      directives:
        description: More directives for the upstream block of nginx, such as V(least_conn) and V(keepalive 16).
        type: list
        elements: str
      command:
        description: >-
          Command that C(-t) and C(-s reload) are added to. Default is C(nginx), which gets a signal instead of the
          latter.
        type: str
      pid_file:
        description: File with the process id of nginx. Default is C(/run/nginx.pid).
        type: path
"""
