# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed requests and seconds of a deployment under constant load, by several ways to deploy.

    python -m tests.bench.rollout [--cases 'caddy-*,nginx-early-3'] [--ways WORD]
        [--rounds N] [--hesitate SECONDS] [--docker-rollout SCRIPT] [--community-docker CHECKOUT]

Starts one lab host with Docker, Caddy and nginx, and removes it. Forty requests a second, half of them POST, each on a
connection of its own and answered in 50 to 400 ms, come through the proxy while v2 is deployed over v1; the release
boots in two seconds and, round by round, up to one more. Then, for the first case, a release that never becomes
healthy. Ends with 1 when compose_rollout lost a request or was at work on the host for longer than docker-rollout in
the mean of a case.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from tests.bench.rollout import edges
from tests.bench.rollout.cases import Case, boots, selected
from tests.bench.rollout.methods import OURS, Deployed, Method, Others, ways
from tests.bench.rollout.traffic import CALM, Traffic
from tests.integration.compose_rollout.conftest import MACHINE, ROOT, TOOLS, Host, Project, bare_host, made

INFO = "compose_release_info"
BEFORE = 2.0
VERSIONS = {"v2": "v2", "bad": "a release that never becomes healthy"}


@dataclass(frozen=True)
class Round:
    """One deployment under load; ``seconds`` are those of whoever started it."""

    deployed: Deployed
    seconds: float
    traffic: Traffic
    serving: str


@dataclass(frozen=True)
class Figures:
    """All rounds of one way in one case: every failure counts, and the mean of the seconds."""

    way: str
    case: Case
    rounds: tuple[Round, ...]

    @property
    def failed(self) -> int:
        return sum(len(one.traffic.failures) for one in self.rounds)

    @property
    def host_seconds(self) -> float:
        return statistics.fmean(one.deployed.seconds for one in self.rounds)

    def row(self) -> str:
        total = sum(one.traffic.total for one in self.rounds)
        gap = max(one.traffic.longest_gap for one in self.rounds)
        p99 = max(one.traffic.p99 for one in self.rounds)
        seconds = statistics.fmean(one.seconds for one in self.rounds)
        codes = "+".join(sorted({str(one.deployed.rc) for one in self.rounds}))
        serving = ", ".join(sorted({one.serving for one in self.rounds}))
        return (
            f"| {self.way} | {self.failed}/{total} | {gap:.2f} | {1000 * p99:.0f} | "
            f"{self.host_seconds:.1f} | {seconds:.1f} | {codes} | {serving} |"
        )


def main() -> int:
    """Print a table per case, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="*", help="patterns of names, such as caddy-graceful-1, between commas")
    parser.add_argument("--ways", default="", help="only ways whose name holds this")
    parser.add_argument("--good-only", action="store_true", help="leave out the bad release and the one that is there")
    parser.add_argument("--rounds", type=int, default=2, help="how often; seconds are means")
    parser.add_argument("--hesitate", type=float, default=0.0, help="seconds between connecting and asking")
    parser.add_argument("--docker-rollout", type=Path, default=given("DOCKER_ROLLOUT"), help="its script")
    parser.add_argument("--community-docker", type=Path, default=given("COMMUNITY_DOCKER"), help="a checkout of it")
    options = parser.parse_args()
    cases = selected(options.cases)
    with bare_host("bench-rollout") as host:
        versions = edges.install(host)
        start = min(ansible_start(host) for _round in range(3))
        found = ways(Others(options.docker_rollout, options.community_docker, start), host.write)
        methods = {name: way for name, way in found.items() if options.ways in name}
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        say(f"{now}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}, {versions}")
        say(f"Ansible's start and connection alone: {start:.1f} s")
        table = partial(compared, host, methods=methods, hesitates=options.hesitate)
        good = [table(case, "v2", rounds=options.rounds) for case in cases]
        bad = [] if options.good_only else table(cases[0], "bad", rounds=1)
        if OURS in methods and not options.good_only:
            say(f"\nThe same release again, three services: {idle(host):.1f} s apart from Ansible's start, changed=0")
    return judged(good, bad)


def given(variable: str) -> Path | None:
    """A path from the environment."""
    text = os.environ.get(variable)
    return Path(text) if text else None


def compared(
    host: Host, case: Case, version: str, *, methods: dict[str, Method | None], rounds: int, hesitates: float
) -> list[Figures]:
    """Measure all ways of one case in turn, and print them as a table."""
    say(f"\n{case.name}: v1 to {VERSIONS[version]} (load {os.getloadavg()[0]:.1f})\n")
    found: dict[str, list[Round]] = {name: [] for name, method in methods.items() if method is not None}
    for boot in boots(rounds):
        for name, done in found.items():
            done.append(measured(host, name, methods[name], case, version, boot=boot, hesitates=hesitates))
    figures = {name: Figures(name, case, tuple(done)) for name, done in found.items()}
    say("| way | failed/total | longest gap s | p99 ms | s on the host | s in all | exit | served afterwards |")
    say("|---|---|---|---|---|---|---|---|")
    for name in methods:
        say(figures[name].row() if name in figures else f"| {name} | not present | | | | | | |")
    for name, one in figures.items():
        for told in filter(None, (each.deployed.told for each in one.rounds)):
            say(f"\nSteps of {name}, in seconds: {told}")
        lost = {words for each in one.rounds for _moment, words in each.traffic.failures}
        for words in sorted(lost) if name == OURS else ():
            say(f"Lost by {name}: {words}")
    return list(figures.values())


def measured(
    host: Host, name: str, method: Method, case: Case, version: str, *, boot: float, hesitates: float
) -> Round:
    """One deployment of ``version``, which boots in ``boot`` seconds, over v1, on a project made for it."""
    edge = edges.PROXIES[case.proxy]
    with made(host, "bench", edges.FIRST_PORT) as project:
        case.compose(project, "v1", boot=0.2)
        first = project.deploy(version="1", proxy=[dict(edge.option)])
        if first.rc:
            raise SystemExit(first.text)
        edges.expose(host, case.proxy, edges.KEPT if name == OURS else edges.EVERY_PORT)
        until_served(host, project, edge.port)
        with Traffic(host.address, edge.port, hesitates) as traffic:
            time.sleep(BEFORE)  # a part of the load, not a wait for something
            case.compose(project, version, boot)
            began = time.monotonic()
            deployed = method(project, case.proxy)
            seconds = time.monotonic() - began
            time.sleep(CALM)
            serving = traffic.serving()
        edges.withdraw(host)
        return Round(deployed, seconds, traffic, serving)


def judged(good: list[list[Figures]], bad: list[Figures]) -> int:
    """Say what compose_rollout did not reach; 0 when nothing."""
    missed = []
    for figures in [*good, bad]:
        ours = next((one for one in figures if one.way == OURS), None)
        if ours is None:
            continue
        if ours.failed:
            missed.append(f"{ours.case.name}: {ours.failed} requests failed")
        rival = next((one for one in figures if one.way.startswith("docker-rollout")), None)
        if rival is not None and ours.host_seconds > rival.host_seconds:
            missed.append(f"{ours.case.name}: {ours.host_seconds:.1f} s, {rival.way} {rival.host_seconds:.1f} s")
    say("\n" + ("Missed: " + "; ".join(missed) if missed else "No request lost, never slower than docker-rollout"))
    return 1 if missed else 0


def ansible_start(host: Host) -> float:
    """Seconds of a task that does nothing."""
    began = time.monotonic()
    command = [str(TOOLS / "ansible"), MACHINE, "-i", str(host.inventory), "-m", "ansible.builtin.ping"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def idle(host: Host) -> float:
    """The least seconds of a deployment that has nothing to do, without those of a module that does nothing."""
    with made(host, "idle", edges.LAST_PORT + 100) as project:
        extra = {"image": "application:v1", "volumes": ["/usr:/usr:ro"]}
        project.compose("v1", services={"worker": extra, "mailer": extra})
        project.deploy(version="1", stable_for=1)
        spent: dict[str, float] = {}
        for _round in range(3):
            for name, arguments in (
                (OURS, {"project": project.name, "version": "1"}),
                (INFO, {"project": project.name}),
            ):
                began = time.monotonic()
                outcome = host.module(name, **arguments)
                spent[name] = min(spent.get(name, float("inf")), time.monotonic() - began)
                if outcome.rc or outcome.result["changed"]:
                    raise SystemExit(outcome.text)
    return spent[OURS] - spent[INFO]


def until_served(host: Host, project: Project, port: int) -> None:
    """Wait until the proxy has found every replica."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Traffic(host.address, port) as traffic:
            time.sleep(1)
        if traffic.total and not traffic.failures:
            return
    raise SystemExit(f"the proxy does not reach {project.name}: {traffic.failures[-1:]}")


def say(line: str) -> None:
    """Print at once, as a run takes long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
