# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is deployed, and behind what: every application, with one and three replicas, behind every proxy."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.rollout.edges import FIRST_PORT, LAST_PORT, PROXIES
from tests.integration.compose_rollout.conftest import Project

APPLICATIONS: Mapping[str, Mapping[str, str]] = {
    "graceful": {},
    "slow-stop": {"APP_IGNORE_TERM": "1"},
    "early": {"APP_EARLY": "1"},
}
"""One that ends when it has answered, one that ignores SIGTERM, one that listens (with 503) before it is ready."""
REPLICAS = (1, 3)
BOOT_SECONDS = 2.0
CHECK = ["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"]


@dataclass(frozen=True)
class Case:
    """One application behind one proxy."""

    proxy: str
    application: str
    replicas: int

    @property
    def name(self) -> str:
        return f"{self.proxy}-{self.application}-{self.replicas}"

    def compose(self, project: Project, version: str, boot: float = BOOT_SECONDS) -> None:
        """Write the Compose file of a version that boots in ``boot`` seconds and is killed five after its stop."""
        healthcheck = {"test": CHECK, "interval": "1s", "timeout": "5s", "start_period": "5s", "retries": 3}
        project.compose(
            version,
            environment={"APP_BOOT": f"{boot:g}", **APPLICATIONS[self.application]},
            healthcheck=healthcheck,
            ports=[f"{project.host.address}:{FIRST_PORT}-{LAST_PORT}:8000"],
            deploy={"replicas": self.replicas},
            stop_grace_period="5s",
        )


ALL = tuple(Case(*facts) for facts in itertools.product(PROXIES, APPLICATIONS, REPLICAS))


def boots(rounds: int) -> list[float]:
    """Seconds in which the release boots, round by round, spread evenly over one second from ``BOOT_SECONDS`` on.

    Docker runs the health check once a second, and docker-rollout looks once a second: how well one boot fits these
    moments is luck.
    """
    return [BOOT_SECONDS + number / rounds for number in range(rounds)]


def selected(patterns: str) -> list[Case]:
    """Those whose names match one of the patterns between commas. Raises SystemExit when none does."""
    found = [case for case in ALL if any(fnmatch.fnmatch(case.name, one) for one in patterns.split(","))]
    if not found:
        raise SystemExit(f"--cases {patterns}: there are {', '.join(case.name for case in ALL)}")
    return found
