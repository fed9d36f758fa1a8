# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Molecule scenarios, a few at once, and refuse runs that only look successful.

Molecule calls a run successful in which every play said "no hosts matched". Here a scenario passes only when each of
its hosts shows up in the recap of each step that touches hosts.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml

from lab import playbooks
from tests.tools.outcomes import ROOT, Outcome, conclude, run_all, tool_environment

HOST_STEPS = ("check", "converge", "idempotence", "verify")
STEP_LINE = re.compile(r"^INFO\s+\[\S+ > (?P<step>\w+)\] Executing\s*$")
FAILED_STEP = re.compile(r"^ERROR\s+\[\S+ > (?P<step>\w+)\] .*Executed: Failed", re.MULTILINE)
RECAP_LINE = re.compile(r"^(?P<host>[\w.-]+)\s+: ok=(?P<ok>\d+)\s+changed=\d+\s+unreachable=0\s+failed=0\s")


def scenarios(root: Path = ROOT) -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.parent.name for path in root.glob("molecule/*/molecule.yml"))


def platforms(scenario: str, root: Path = ROOT) -> list[str]:
    """Return the names of a scenario's hosts."""
    described = yaml.safe_load((root / "molecule" / scenario / "molecule.yml").read_text(encoding="utf-8"))
    return [platform["name"] for platform in described["platforms"]]


def on_ubuntu(scenario: str, root: Path = ROOT) -> dict[str, str]:
    """Return the releases of Ubuntu to run a role on instead of Debian's: 24.04, and 22.04 where the role is for it."""
    meta = yaml.safe_load((root / "roles" / scenario / "meta" / "main.yml").read_text(encoding="utf-8"))
    offered = next(entry["versions"] for entry in meta["galaxy_info"]["platforms"] if entry["name"] == "Ubuntu")
    return {"trixie": "noble", "bookworm": "jammy" if "jammy" in offered else "noble"}


def steps(log: str) -> Iterator[tuple[str, list[str]]]:
    """Split a log into its steps."""
    name = ""
    lines: list[str] = []
    for line in log.splitlines():
        found = STEP_LINE.match(line)
        if found:
            yield name, lines
            name, lines = found["step"], []
        else:
            lines.append(line)
    yield name, lines


def problem(log: str, hosts: Sequence[str], status: int) -> str | None:
    """Return why a run doesn't count as passed, or None when it does."""
    reached: dict[str, set[str]] = {}
    last = ""
    for step, lines in steps(log):
        last = step or last
        found = (RECAP_LINE.match(line) for line in lines)
        reached[step] = {match["host"] for match in found if match and int(match["ok"]) > 0}
    if status != 0:
        failed = FAILED_STEP.search(log)
        return f"exit status {status} in step {failed['step'] if failed else last or 'start'}"
    if "no hosts matched" in log:
        return "a play matched no hosts"
    for step in HOST_STEPS:
        missing = [host for host in hosts if host not in reached.get(step, set())]
        if missing:
            return f"step {step} ran nothing on {', '.join(missing)}"
    return None


def run(scenario: str, *, live: bool, keep: bool, ubuntu: bool) -> Outcome:
    """Run one scenario; its whole output is kept in .cache/molecule/<scenario>.log."""
    suffix = "-ubuntu" if ubuntu else ""
    work = ROOT / ".cache" / "molecule" / f"{scenario}{suffix}"
    work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "molecule", "test", "--scenario-name", scenario]
    own = {"MOLECULE_EPHEMERAL_DIRECTORY": str(work), "KEELSON_FLEET_SUFFIX": suffix}
    own["KEELSON_RELEASES_INSTEAD"] = json.dumps(on_ubuntu(scenario) if ubuntu else {})
    environment = tool_environment(own)
    with work.with_suffix(".log").open("w", encoding="utf-8", buffering=1) as log:

        def hear(line: str) -> None:
            log.write(line)
            if live:
                playbooks.show(line)

        done = playbooks.run([*command, *(["--destroy", "never"] if keep else [])], environment=environment, hear=hear)
    why = problem(done.output, platforms(scenario), done.rc)
    return Outcome(scenario, done.seconds, why, "" if live else done.output)


def main() -> int:
    """Run the scenarios named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help="scenarios to run (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running")
    parser.add_argument("--ubuntu", action="store_true", help="Ubuntu 24.04 and 22.04 instead of Debian 13 and 12")
    parser.add_argument("--report", type=Path, help="write the counts to this JSON file")
    options = parser.parse_args()
    unknown = sorted(set(options.scenario) - set(scenarios()))
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)} (there are: {', '.join(scenarios())})")
    chosen = options.scenario or scenarios()
    common = {"live": len(chosen) == 1, "keep": options.keep, "ubuntu": options.ubuntu}
    jobs = [partial(run, name, **common) for name in chosen]
    return conclude(run_all(jobs, workers=options.jobs), options.report)


if __name__ == "__main__":
    sys.exit(main())
