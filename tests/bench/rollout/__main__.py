# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed requests, seconds and the longest gap of a deployment under constant load, by several ways to deploy.

    python -m tests.bench.rollout [--only WORD] [--slow-stop]

Starts one lab host with Docker and Caddy and removes it. The application has two replicas that boot in two seconds and
answer in 50 ms; 80 requests a second, half of them POST, come through Caddy with active health checks, as role caddy
writes it. Then the same with a release that never becomes healthy. Recorded figures: tests/bench/rollout/results.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone

from tests.bench.rollout.methods import METHODS, Method
from tests.bench.rollout.traffic import CALM, Traffic
from tests.integration.compose_rollout.conftest import Host, Project, bare_host, made

NOTHING = "compose_release_info"
PORT = 8080
BASE = 8001
CADDYFILE = """
{
	admin localhost:2019
	auto_https off
}
:%d {
	reverse_proxy {
		to %s
		lb_policy round_robin
		lb_try_duration 5s
		lb_try_interval 100ms
		fail_duration 2s
		max_fails 1
		health_uri /health
		health_interval 1s
		health_timeout 2s
		transport http {
			dial_timeout 1s
		}
	}
}
"""
CADDY = """
set -e
export DEBIAN_FRONTEND=noninteractive
command -v caddy >/dev/null || apt-get install -qq -y --no-install-recommends caddy >/dev/null
"""


@dataclass(frozen=True)
class Figures:
    """One deployment under load."""

    method: str
    rc: int
    seconds: float
    traffic: Traffic
    serving: str
    told: str

    def row(self, best: float) -> str:
        seen = self.traffic
        ratio = f"{self.seconds:.1f} ({self.seconds / best:.1f}x)"
        share = 100 * len(seen.failures) / max(seen.total, 1)
        return (
            f"| {self.method} | {len(seen.failures)}/{seen.total} ({share:.1f} %) | {seen.longest_gap:.2f} | "
            f"{1000 * seen.p99:.0f} | {ratio} | {self.rc} | {self.serving} |"
        )


def main() -> int:
    """Print both tables; 1 when compose_rollout lost a request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only methods whose name holds this")
    parser.add_argument("--slow-stop", action="store_true", help="an application that ignores SIGTERM")
    options = parser.parse_args()
    methods = {name: method for name, method in METHODS.items() if options.only in name}
    with bare_host("bench-rollout") as host:
        ports = " ".join(f"{host.address}:{port}" for port in range(BASE, BASE + 4))
        host.sh(CADDY)
        host.write("/etc/caddy/Caddyfile", CADDYFILE % (PORT, ports))
        host.sh("caddy validate --adapter caddyfile --config /etc/caddy/Caddyfile 2>&1 && systemctl restart caddy")
        good = [measured(host, name, method, "v2", options.slow_stop) for name, method in methods.items()]
        bad = [measured(host, name, method, "bad", options.slow_stop) for name, method in methods.items()]
        seconds, writes = idle(host)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    print(f"\n{now}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
    print(table("From v1 to v2", good))
    print(table("From v1 to a release that never becomes healthy", bad))
    print(
        f"\nSecond deployment of the same release, three services: {seconds:.1f} s apart from Ansible's start, {writes}"
    )
    return 1 if any(f.traffic.failures for f in [*good, *bad] if "compose_rollout" in f.method) else 0


def measured(host: Host, name: str, method: Method, version: str, slow_stop: bool) -> Figures:
    """One deployment of ``version`` over v1, on a project made for it."""
    with made(host, "bench", BASE) as project:
        deployed(project, "v1", slow_stop)
        project.deploy(version="1", drain_delay=0)
        until_served(host, project)
        with Traffic(host.address, PORT) as traffic:
            time.sleep(2)  # a part of the load, not a wait for something
            compose(project, version, slow_stop)
            began = time.monotonic()
            rc, told = method(project)
            seconds = time.monotonic() - began
            time.sleep(CALM)
            serving = traffic.serving()
        print(f"{name}, {version}: exit {rc}, {len(traffic.failures)} of {traffic.total} failed", flush=True)
        return Figures(name, rc, seconds, traffic, serving, told)


def idle(host: Host) -> tuple[float, str]:
    """The least seconds of a deployment that has nothing to do, without those of a module that does nothing."""
    with made(host, "idle", BASE + 100) as project:
        extra = {"image": "application:v1", "volumes": ["/usr:/usr:ro"]}
        project.compose("v1", services={"worker": extra, "mailer": extra})
        project.deploy(version="1", stable_for=1)
        spent: dict[str, float] = {}
        for _round in range(3):
            for name, arguments in (
                ("compose_rollout", {"project": project.name, "version": "1"}),
                (NOTHING, {"project": project.name}),
            ):
                began = time.monotonic()
                outcome = host.module(name, **arguments)
                spent[name] = min(spent.get(name, float("inf")), time.monotonic() - began)
                if outcome.rc or outcome.result["changed"]:
                    raise SystemExit(outcome.text)
    return spent["compose_rollout"] - spent[NOTHING], "changed=0"


def deployed(project: Project, version: str, slow_stop: bool) -> None:
    """The first release, by plain Compose; the ways that need no record find an ordinary project."""
    compose(project, version, slow_stop)
    project.host.sh(f"cd /opt/{project.name} && docker compose up -d --wait 2>&1")


def compose(project: Project, version: str, slow_stop: bool) -> None:
    """Write the Compose file of a version."""
    environment = {"APP_BOOT": "2", **({"APP_IGNORE_TERM": "1"} if slow_stop else {})}
    check = ["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"]
    healthcheck = {"test": check, "interval": "1s", "timeout": "5s", "start_period": "5s", "retries": 3}
    ports = f"{project.host.address}:{project.ports[0]}-{project.ports[-1]}:8000"
    project.compose(version, environment=environment, healthcheck=healthcheck, ports=[ports], stop_grace_period="5s")


def until_served(host: Host, project: Project) -> None:
    """Wait until Caddy has found both replicas."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Traffic(host.address, PORT) as traffic:
            time.sleep(1)
        if traffic.total and not traffic.failures:
            return
    raise SystemExit(f"Caddy does not reach {project.name}: {traffic.failures[-1:]}")


def table(title: str, figures: list[Figures]) -> str:
    """The figures as Markdown. Ratios of the seconds are to the fastest."""
    best = min(f.seconds for f in figures)
    head = "| way | failed/total | longest gap s | p99 ms | deploy s | exit | served afterwards |"
    steps = [f"Steps of {f.method}, in seconds: {f.told}" for f in figures if f.told]
    return "\n".join(
        [f"\n{title}\n", head, "|---|---|---|---|---|---|---|", *(f.row(best) for f in figures), "", *steps]
    )


if __name__ == "__main__":
    sys.exit(main())
