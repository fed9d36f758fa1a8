# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the integration tests, one pytest per subject and two at once: most of their time they wait for servers."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.tools.outcomes import ROOT, Check, Outcome, run_all

FOLDER = ROOT / "tests" / "integration"
PARTS = ROOT / ".cache" / "reports" / "integration"
LONGEST_FIRST = ("compose_rollout", "pg_backup")


def subjects(folder: Path = FOLDER) -> list[str]:
    """Return the names of the folders that hold tests, the longest running first."""
    found = {path.parent.name for path in folder.glob("*/test_*.py")}
    first = [name for name in LONGEST_FIRST if name in found]
    return first + sorted(found - set(first))


def merge(parts: Iterable[Path]) -> ElementTree.Element:
    """Join JUnit reports; one that is missing or damaged stands for an error, never for nothing."""
    merged = ElementTree.Element("testsuites")
    for part in parts:
        try:
            merged.extend(ElementTree.parse(part).getroot().iter("testsuite"))  # noqa: S314 (written by our own pytest)
        except (OSError, ElementTree.ParseError):
            merged.append(ElementTree.Element("testsuite", name=part.stem, tests="1", errors="1"))
    return merged


def run(name: str) -> Outcome:
    """Run one subject's tests."""
    part = PARTS / f"{name}.xml"
    part.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-v", str(FOLDER / name), f"--junit-xml={part}"]
    return Check(name, command).run()


def main() -> int:
    """Run the subjects named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("subject", nargs="*", help=f"folders to run (default: all of {', '.join(subjects())})")
    parser.add_argument("--junit-xml", type=Path, help="write the merged report to this file")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    options = parser.parse_args()
    names = options.subject or subjects()
    unknown = sorted(set(names) - set(subjects()))
    if unknown:
        parser.error(f"no such subject: {', '.join(unknown)} (there are: {', '.join(subjects())})")
    PARTS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    outcomes = run_all([partial(run, name) for name in names], workers=options.jobs)
    for outcome in outcomes:
        if outcome.problem is not None:
            print(f"\n--- {outcome.name}: {outcome.problem}\n{outcome.output.rstrip()}", flush=True)
    if options.junit_xml:
        ElementTree.ElementTree(merge(PARTS / f"{name}.xml" for name in names)).write(options.junit_xml)
    print(f"\n{len(outcomes)} subjects in {time.monotonic() - started:.0f} s", flush=True)
    return 1 if any(outcome.problem for outcome in outcomes) or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
