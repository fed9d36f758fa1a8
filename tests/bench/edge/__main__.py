# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What testssl.sh says of the roles caddy and nginx, with certificates of a real ACME server, in both TLS profiles.

    python -m tests.bench.edge [--release trixie|bookworm]

The judge is the package testssl.sh of Debian 13 on a host of its own. Recorded figures: tests/bench/edge/results.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.tools.bench_hosts import BenchHosts, bench_hosts, circumstances

SITE = "edge.keelson.test"
EDGES = ("caddy", "nginx")
PROFILES = ("modern", "intermediate")
TARGET = "A+"
BAD = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"}
# The judge trusts the ACME server's authority as it would a public one.
TRUST = "wget -q --no-check-certificate -O /root/root.pem https://acme.keelson.test:15000/roots/0"
REPORT = "/root/verdict.json"
JUDGE = f"rm -f {REPORT}; testssl --quiet --color 0 --add-ca /root/root.pem --jsonfile {REPORT} {SITE}"


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one site."""

    edge: str
    profile: str
    grade: str
    scores: tuple[str, ...]
    protocols: str
    caps: tuple[str, ...]
    findings: tuple[str, ...]

    def row(self) -> str:
        return f"| {self.edge} | {self.profile} | {self.protocols} | {self.grade} | {' | '.join(self.scores)} |"


def main() -> int:
    """Print the table; 1 when a grade is below the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    release = parser.parse_args().release
    with bench_hosts("bench-edge", {"edge": release, "judge": "trixie"}, ["acme"]) as hosts:
        hosts.install("judge", "testssl.sh", "wget", "ca-certificates")
        hosts.need("judge", TRUST)
        version = hosts.need("judge", "dpkg-query -f '${Version}' -W testssl.sh")
        verdicts = []
        for edge in EDGES:
            for profile in PROFILES:
                hosts.run_role("edge", edge, options(hosts, edge, profile))
                verdicts.append(judge(hosts, edge, profile))
            hosts.need("edge", f"systemctl disable --now {edge}")
    print(f"\n{circumstances()}, host {release}, testssl.sh {version}\n\n{table(verdicts)}")
    return 1 if any(verdict.grade != TARGET for verdict in verdicts) else 0


def options(hosts: BenchHosts, edge: str, profile: str) -> dict[str, Any]:
    """What a user would write for a site of their own; all else are the role's defaults."""
    chosen = {
        "sites": [{"names": [SITE], "routes": [{"respond": {"body": "hello"}}]}],
        "acme_directory": "https://acme.keelson.test:14000/dir",
        "acme_ca": (hosts.state / "acme-server-ca.pem").read_text(encoding="utf-8"),
        "tls_profile": profile,
    }
    return {f"{edge}_{name}": value for name, value in chosen.items()}


def judge(hosts: BenchHosts, edge: str, profile: str) -> Verdict:
    """Ask the judge. Its exit status is the number of its findings."""
    _status, printed = hosts.shell("judge", JUDGE)
    report = hosts.need("judge", f"cat {REPORT}")
    said = {entry["id"]: entry for entry in json.loads(report)}
    if "overall_grade" not in said:
        raise SystemExit(f"testssl.sh gives no grade: {printed[-3000:]}")
    return read(said, edge, profile)


def read(said: Mapping[str, Mapping[str, str]], edge: str, profile: str) -> Verdict:
    """The verdict in the judge's report, which holds one entry for each thing it looked at."""
    scores = ("final_score", "protocol_support_score", "key_exchange_score", "cipher_strength_score")
    versions = {"TLS1": "1.0", "TLS1_1": "1.1", "TLS1_2": "1.2", "TLS1_3": "1.3"}
    offered = [version for key, version in versions.items() if said[key]["finding"].startswith("offered")]
    return Verdict(
        edge=edge,
        profile=profile,
        grade=said["overall_grade"]["finding"],
        scores=tuple(said[name]["finding"] for name in scores),
        protocols=", ".join(offered),
        caps=tuple(entry["finding"] for key, entry in said.items() if key.startswith("grade_cap_reason")),
        findings=tuple(f"{key}: {entry['finding']}" for key, entry in said.items() if entry["severity"] in BAD),
    )


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as Markdown, and what the judge found to criticize."""
    lines = [
        "| edge | profile | TLS | grade | score | protocols | key exchange | ciphers |",
        "|---|---|---|---|---|---|---|---|",
        *(verdict.row() for verdict in verdicts),
        "",
    ]
    for verdict in verdicts:
        name = f"{verdict.edge}, {verdict.profile}"
        lines += [f"- {name}, caps the grade: {reason}" for reason in verdict.caps]
        lines += [f"- {name}: {finding}" for finding in verdict.findings]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
