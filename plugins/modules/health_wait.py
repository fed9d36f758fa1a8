#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for many things at once until they are healthy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_wait
short_description: Wait until many things are healthy, all at once
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Follows any number of checks at the same time in one task and ends as soon as the answer is known.
  - Succeeds when O(require) checks are healthy. Fails when too few can still become so, because their time is over
    or because waiting cannot help any more, such as for a container that was killed for lack of memory.
  - A check that was found healthy is not looked at again; use O(successes) and O(stable_for) for what may flap.
  - A check that keeps failing is tried less and less often up to its O(interval), and at once more often when its
    target begins to answer, so that with the default an endpoint that becomes ready is seen within half a second.
  - Runs on the target host; delegate the task to look from elsewhere.
options:
  timeout:
    description: Seconds for all checks.
    type: float
    default: 120
  interval:
    description: Longest pause in seconds between two attempts of one check.
    type: float
    default: 0.5
  probe_timeout:
    description: Seconds that one attempt may take.
    type: float
    default: 5
  successes:
    description: Successes in a row that make a check healthy.
    type: int
    default: 1
  stable_for:
    description: Seconds without a failure, since the first success in a row, that make a check healthy.
    type: float
    default: 0
  require:
    description: How many checks must become healthy; V(all), V(any) or a number.
    type: str
    default: all
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.health_checks
attributes:
  check_mode:
    support: full
    details: Tries each check once, reports what it found, and never fails because of it.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: Changes nothing by itself. O(checks[].command) does what its program does.
  platform:
    platforms: posix
    support: full
seealso:
  - module: ansible.builtin.uri
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: The whole application is up
  keelson.ops.health_wait:
    timeout: 90
    checks:
      - http:
          url: https://shop.example.com/health
          json:
            - status in healthy,ok
            - services.* == healthy
      - docker: {project: shop, service: backend, replicas: 2}
      - postgres: {host: 10.0.0.31, database: shop, username: shop, password: "{{ shop_password }}", role: primary}
      - redis: {host: 10.0.0.31, username: shop, password: "{{ shop_redis_password }}"}

- name: The service survives its first ten seconds
  keelson.ops.health_wait:
    stable_for: 10
    checks:
      - systemd: {unit: caddy}
      - tcp: {port: 443}

- name: Two of three replicas are enough
  keelson.ops.health_wait:
    require: 2
    checks:
      - {name: app1, http: {url: "http://10.0.0.21:8000/health"}}
      - {name: app2, http: {url: "http://10.0.0.22:8000/health"}}
      - {name: app3, http: {url: "http://10.0.0.23:8000/health"}}

- name: The certificate is renewed
  keelson.ops.health_wait:
    checks:
      - tls: {host: shop.example.com, days_left: 14}
"""

RETURN = r"""
msg:
  description: How many checks are healthy. On failure also one line per check that is not, with its last reason.
  returned: always
  type: str
  sample: 4 of 4 checks healthy after 7.3 s
seconds:
  description: How long the task waited.
  returned: when the options are valid
  type: float
  sample: 7.31
checks:
  description: The checks in the given order.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
    kind:
      description: Its kind, such as V(http).
      type: str
    target:
      description: What was looked at.
      type: str
    state:
      description:
        - V(healthy), V(unhealthy) when its time was over, V(failed) when waiting could not help any more, V(pending)
          when the answer was known before this check was decided.
      type: str
    attempts:
      description: How often it was tried.
      type: int
    seconds:
      description: When it was found healthy, in seconds since the start. None when it was not.
      type: float
    error:
      description: The last failure in words, empty when there was none.
      type: str
    timeline:
      description: What the attempts said, oldest first; attempts in a row that said the same are one entry.
      type: list
      elements: dict
      contains:
        seconds:
          description: When this was first seen, in seconds since the start.
          type: float
        healthy:
          description: Whether the attempts succeeded.
          type: bool
        message:
          description: What was seen.
          type: str
        attempts:
          description: How many attempts in a row said so.
          type: int
    timeline_skipped:
      description: How many entries were left out of the middle of a long timeline.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds.http import harmless_values
from ansible_collections.keelson.ops.plugins.module_utils._health.parse import (
    POLICY_OPTIONS,
    checks_argument,
    parse_checks,
    parse_policy,
)
from ansible_collections.keelson.ops.plugins.module_utils._health.probes import SystemProbes
from ansible_collections.keelson.ops.plugins.module_utils._health.resources import MissingLibraryError
from ansible_collections.keelson.ops.plugins.module_utils._health.waiter import probe_once, wait_for


def argument_spec() -> dict[str, object]:
    """The module's options; those of the checks are declared beside what reads them."""
    return {"checks": {**checks_argument(), "required": True}, **POLICY_OPTIONS}


def run(module: AnsibleModule) -> dict[str, object]:
    """Wait, or look once in check mode."""
    given = module.params
    policy = parse_policy({name: given[name] for name in POLICY_OPTIONS}, len(given["checks"]))
    checks = parse_checks(given["checks"], policy)
    # Ansible masks each value of a no_log option wherever it occurs: a header's "https" or "1" would spoil all output.
    module.no_log_values -= harmless_values(check.target for check in checks)
    clock = SystemClock()
    try:
        with SystemProbes(clock, SubprocessRunner()) as probes:
            follow = probe_once if module.check_mode else wait_for
            report = follow(checks, policy, clock, probes)
    except MissingLibraryError as error:
        reason = f"(Debian package {error.package})"
        raise OpsError(missing_required_lib(error.library, reason=reason), **error.facts) from None
    if not report.ok and not module.check_mode:
        raise OpsError(report.message, **report.facts())
    return {"changed": False, "msg": report.message, **report.facts()}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    run_module(module, lambda: run(module))


if __name__ == "__main__":
    main()
