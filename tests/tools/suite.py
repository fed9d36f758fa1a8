# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the layers of the test suite, cheap ones first, all of them, and end with one total.

Each layer counts its own tests in a report; a layer that ends without a report, or without a test, is a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.tools.outcomes import ROOT, tool_environment

REPORTS = ROOT / ".cache" / "reports"


@dataclass(frozen=True, slots=True)
class Count:
    """How many tests of a layer passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the command that runs it, what has to be made first, and the kind of report it writes."""

    name: str
    command: Sequence[str]
    before: Sequence[str] = ()
    junit: bool = False

    @property
    def report(self) -> Path:
        """Return the path of the layer's report."""
        return REPORTS / f"{self.name}.{'xml' if self.junit else 'json'}"

    def arguments(self) -> list[str]:
        """Return the command with the option that asks for the report."""
        option = f"--junit-xml={self.report}" if self.junit else f"--report={self.report}"
        return [sys.executable, "-u", "-m", *self.command, option]


LAYERS = (
    Layer("lint", ["tests.tools.lint"]),
    Layer("unit", ["pytest", "-q", "tests/unit"], junit=True),
    Layer("sanity", ["tests.tools.sanity"]),
    Layer("integration", ["tests.tools.integration"], before=["lab", "images"], junit=True),
    Layer("molecule", ["tests.tools.molecule_scenarios"], before=["lab", "images"]),
    Layer("e2e", ["pytest", "-v", "tests/e2e"], junit=True),
)


def read_junit(path: Path) -> Count:
    """Count the tests of a JUnit report."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 (written by pytest a moment ago)
    total = failed = skipped = 0
    for suite in root.iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return Count(max(0, total - failed - skipped), failed, skipped)


def read_json(path: Path) -> Count:
    """Count the checks of a report written by this suite's own runners."""
    report = json.loads(path.read_text(encoding="utf-8"))
    return Count(report["passed"], report["failed"])


def verdict(layer: Layer, status: int) -> Count:
    """Return a layer's count. A bad exit status always shows as a failure, and so does a layer that ran nothing."""
    try:
        count = (read_junit if layer.junit else read_json)(layer.report)
    except (OSError, ValueError, KeyError, ElementTree.ParseError):
        return Count(failed=1)
    if (status != 0 and count.failed == 0) or count.passed + count.failed == 0:
        return Count(count.passed, count.failed + 1, count.skipped)
    return count


def run(layer: Layer) -> tuple[Count, float]:
    """Run one layer with its output going straight to ours."""
    print(f"\n=== {layer.name}", flush=True)
    started = time.monotonic()
    layer.report.unlink(missing_ok=True)
    REPORTS.mkdir(parents=True, exist_ok=True)
    environment = tool_environment()
    commands = [[sys.executable, "-u", "-m", *layer.before]] if layer.before else []
    status = 0
    for command in [*commands, layer.arguments()]:
        status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
        if status != 0:
            break
    return verdict(layer, status), time.monotonic() - started


def main() -> int:
    """Run the layers named on the command line, or all."""
    names = [layer.name for layer in LAYERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", nargs="*", help=f"layers to run: {', '.join(names)} (default: all)")
    options = parser.parse_args()
    unknown = sorted(set(options.layer) - set(names))
    if unknown:
        parser.error(f"no such layer: {', '.join(unknown)} (there are: {', '.join(names)})")
    results = [(layer.name, *run(layer)) for layer in LAYERS if layer.name in (options.layer or names)]
    print("\n=== summary")
    for name, count, seconds in results:
        skipped = f", {count.skipped} skipped" if count.skipped else ""
        print(f"{name:<12} {seconds:7.1f} s  {count.passed} passed, {count.failed} failed{skipped}")
    passed = sum(count.passed for _name, count, _seconds in results)
    failed = sum(count.failed for _name, count, _seconds in results)
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
