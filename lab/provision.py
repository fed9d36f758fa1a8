# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make lab`: from nothing to a provisioned, checked fleet."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from . import fleet
from .checks import SITE, CheckError, checks, wait
from .credentials import ensure_secrets
from .paths import ROOT, fleet_state
from .playbooks import playbook
from .progress import LabError, say
from .seed import ROOTS_FILE, keep_acme_roots, seed_buckets, seed_registry
from .topology import SERVICES, Fleet, Lab, LocalPorts


def bring_up(names: Sequence[str], *, provision: bool) -> int:
    """Make or complete the lab; 0 when every check passed. Raises LabError."""
    started = time.monotonic()
    lab = Lab(LocalPorts.of(os.environ))
    described = lab.fleet(names)
    _refuse_app_without_database(described)
    fleet.up(described)
    state = fleet_state(described.name)
    secrets = ensure_secrets(state)
    seed_registry()
    keep_acme_roots(state, f"10.77.0.{SERVICES['acme'].number}")
    seed_buckets(lab.ports, secrets)
    if not provision:
        say(f"Bare hosts are up after {time.monotonic() - started:.0f} s; provision them with: make lab")
        return 0
    hosts = [host.name for host in described.hosts]
    run_site(hosts if names else [])
    say("\nChecks")
    failures = 0
    for check in checks(hosts, lab.ports, state, secrets):
        try:
            say(f"  ok      {check.title}: {wait(check)}")
        except CheckError as error:
            failures += 1
            say(f"  FAILED  {error}")
    _summary(lab, hosts, state, time.monotonic() - started)
    return 1 if failures else 0


def run_site(limit: Sequence[str]) -> None:
    """Run site.yml on the lab's inventory. Raises LabError when it fails or when it reached no host."""
    arguments = ["site.yml", *(["--limit", ",".join(limit)] if limit else [])]
    say(f"-> ansible-playbook -i inventories/lab {' '.join(arguments)}")
    done = playbook(*arguments)
    if done.rc != 0:
        raise LabError("site.yml failed; the output above says where. `make lab` goes on from there")
    if not done.tasks or 0 in done.tasks.values():
        raise LabError("site.yml reached no host")


def _refuse_app_without_database(described: Fleet) -> None:
    names = {host.name for host in described.hosts}
    if names & {"app1", "app2"} and "db1" not in names:
        raise LabError("LAB_HOSTS: app1 and app2 need db1")


def _summary(lab: Lab, hosts: Sequence[str], state: Path, seconds: float) -> None:
    ports = lab.ports
    say(f"\nThe lab is up after {seconds:.0f} s: {', '.join(hosts)}")
    roots = (state / ROOTS_FILE).relative_to(ROOT)
    rows = []
    if "edge1" in hosts:
        rows.append(
            ("shop", f"curl --cacert {roots} --connect-to {SITE}:443:127.0.0.1:{ports.https} https://{SITE}/health")
        )
    if "mon1" in hosts:
        rows.append(("Prometheus", f"http://127.0.0.1:{ports.prometheus}"))
        rows.append(("Alertmanager", f"http://127.0.0.1:{ports.alertmanager}"))
    rows += [("caught mail", f"http://127.0.0.1:{ports.mail}"), ("S3", f"http://127.0.0.1:{ports.s3}")]
    rows.append(("log in", f"make lab-shell HOST={hosts[0]}"))
    for title, text in rows:
        say(f"  {title:13} {text}")
