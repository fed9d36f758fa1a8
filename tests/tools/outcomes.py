# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the layers of the test suite have in common: outcomes of named checks, their lines, total and report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's result; ``problem`` is None when it passed, and ``output`` is shown when it didn't."""

    name: str
    seconds: float
    problem: str | None = None
    output: str = ""

    def line(self) -> str:
        """Return the one line that stands for this check."""
        verdict = "passed" if self.problem is None else f"FAILED: {self.problem}"
        return f"{self.name:<34} {self.seconds:6.1f} s  {verdict}"


@dataclass(frozen=True, slots=True)
class Check:
    """A check to run: a command, and optionally its own environment and folder."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: Path = ROOT

    def run(self) -> Outcome:
        """Run the command; its exit status is the verdict."""
        started = time.monotonic()
        done = subprocess.run(
            list(self.command),
            cwd=self.folder,
            env=tool_environment(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        problem = None if done.returncode == 0 else f"exit status {done.returncode}"
        return Outcome(self.name, time.monotonic() - started, problem, done.stdout)


def tool_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which this interpreter's own tools come first and nothing colours its output."""
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', '/usr/bin:/bin')}"
    environment["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    environment["NO_COLOR"] = "1"
    environment["ANSIBLE_NOCOLOR"] = "1"
    environment.pop("FORCE_COLOR", None)
    environment.update(extra or {})
    return environment


def run_all(jobs: Iterable[Callable[[], Outcome]], *, workers: int) -> list[Outcome]:
    """Run jobs, a few at once, and print each one's line as it ends."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for future in as_completed([pool.submit(job) for job in jobs]):
            outcome = future.result()
            outcomes.append(outcome)
            print(outcome.line(), flush=True)
    return outcomes


def conclude(outcomes: Sequence[Outcome], report: Path | None) -> int:
    """Show what failed, write the report, print the total; return the exit status (nothing run is a failure)."""
    failed = [outcome for outcome in outcomes if outcome.problem is not None]
    for outcome in failed:
        print(f"\n--- {outcome.name}: {outcome.problem}\n{outcome.output.rstrip()}", flush=True)
    if report is not None:
        counts = {"passed": len(outcomes) - len(failed), "failed": len(failed)}
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({**counts, "failures": [outcome.name for outcome in failed]}), encoding="utf-8")
    print(f"\n{len(outcomes) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not outcomes else 0
