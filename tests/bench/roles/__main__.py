# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of every host and of the edge cost, each run alone on a fresh host: first run and second run.

    python -m tests.bench.roles [--release trixie|bookworm] [--runs N]

The figures of the last recorded run are in tests/bench/roles/results.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from tests.tools.bench_hosts import BenchHosts, Cost, bench_hosts, circumstances

# Where each role runs: two edges can't have the same ports.
HOSTS = {"hardening": "first", "docker": "first", "caddy": "first", "nginx": "second"}


def main() -> int:
    """Print the table; 1 when a second run changed something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    parser.add_argument("--runs", type=int, default=3, help="how many second runs (default: 3)")
    chosen = parser.parse_args()
    rows = []
    with bench_hosts("bench-roles", dict.fromkeys(HOSTS.values(), chosen.release), ["acme"]) as hosts:
        for role, host in HOSTS.items():
            options = described(hosts, role, host)
            first = hosts.run_role(host, role, options)
            rows.append((role, first, [hosts.run_role(host, role, options) for _number in range(chosen.runs)]))
    print(f"\n{circumstances()}, host {chosen.release}\n\n{table(rows)}")
    return 1 if any(cost.changed for _role, _first, later in rows for cost in later) else 0


def described(hosts: BenchHosts, role: str, host: str) -> dict[str, Any]:
    """What a user would write: the edges serve an application and a static site, all else are defaults."""
    if role == "hardening":
        return {"hardening_firewall_public_tcp_ports": [80, 443]}
    if role == "docker":
        return {}
    routes = [
        {"path": ["/api/*"], "upstreams": ["127.0.0.1:8001-8004"], "health": {"path": "/health"}},
        {"root": "/srv/www"},
    ]
    return {
        f"{role}_sites": [{"names": [f"{host}.keelson.test"], "routes": routes}],
        f"{role}_acme_directory": "https://acme.keelson.test:14000/dir",
        f"{role}_acme_ca": (hosts.state / "acme-server-ca.pem").read_text(encoding="utf-8"),
    }


def table(rows: list[tuple[str, Cost, list[Cost]]]) -> str:
    """The costs as Markdown; of the second runs the medians."""
    lines = [
        "| role | first run s | changed | second run s | CPU s of the controller | tasks | changed |",
        "|---|---|---|---|---|---|---|",
    ]
    for role, first, later in rows:
        seconds = statistics.median(cost.seconds for cost in later)
        cpu = statistics.median(cost.cpu for cost in later)
        changed = max(cost.changed for cost in later)
        second = f"{seconds:.1f} | {cpu:.1f} | {later[-1].tasks} | {changed}"
        lines.append(f"| {role} | {first.seconds:.1f} | {first.changed} | {second} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
