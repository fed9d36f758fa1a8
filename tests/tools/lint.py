# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every static check, two at once, and print one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tools.outcomes import ROOT, Check, conclude, run_all

DOCS_OPTIONS = ("--plugin-docs", "--validate-collection-refs", "self", "--skip-rstcheck")
TOOLS = ROOT / "tests" / "tools"


def tool(name: str, *arguments: str) -> Sequence[str]:
    """Return the command of a tool of this virtual environment."""
    return [str(Path(sys.executable).parent / name), *arguments]


def checks() -> list[Check]:
    """Return the checks, the slowest first."""
    return [
        Check("ansible-lint", tool("ansible-lint", "--offline", "--nocolor", "-q")),
        Check("mypy --strict", tool("mypy", "plugins", "lab", *map(str, sorted(TOOLS.glob("*.py"))))),
        Check("ruff check", tool("ruff", "check", "--quiet")),
        Check("ruff format", tool("ruff", "format", "--check", "--quiet")),
        Check("yamllint", tool("yamllint", "--strict", ".")),
        Check("role and module tables", [sys.executable, "-m", "tests.tools.role_docs", "--check"]),
        Check("collection documentation", tool("antsibull-docs", "lint-collection-docs", *DOCS_OPTIONS, ".")),
        Check("changelog", tool("antsibull-changelog", "lint")),
    ]


def main() -> int:
    """Run all checks, or those whose names hold one of the given words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="run only checks whose name holds one of these words")
    parser.add_argument("--report", type=Path, help="write the counts to this JSON file")
    options = parser.parse_args()
    chosen = [check for check in checks() if not options.words or any(word in check.name for word in options.words)]
    return conclude(run_all([check.run for check in chosen], workers=2), options.report)


if __name__ == "__main__":
    sys.exit(main())
