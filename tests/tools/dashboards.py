# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards of the role ``grafana`` as Grafana gets them, what they ask Prometheus, which metrics that takes."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from tests.tools.outcomes import ROOT

ROLE = ROOT / "roles" / "grafana"
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\w*\s*\()")
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True, slots=True)
class Query:
    """One question of a panel, with every variable replaced by something Prometheus understands."""

    dashboard: str
    panel: str
    expr: str


def names() -> list[str]:
    """The dashboards that the role offers."""
    return sorted(path.stem for path in (ROLE / "files" / "dashboards").glob("*.yml"))


def dashboard(name: str) -> dict[str, Any]:
    """The dashboard as the role would install it."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROLE / "templates"))  # noqa: S701
    environment.filters["to_nice_json"] = lambda value: json.dumps(value, indent=4, sort_keys=True)
    described = yaml.safe_load((ROLE / "files" / "dashboards" / f"{name}.yml").read_text(encoding="utf-8"))
    text = environment.get_template("dashboard.json.j2").render(dashboard=described, dashboard_name=name)
    rendered: dict[str, Any] = json.loads(text)
    return rendered


def queries(chosen: Iterable[str]) -> Iterator[Query]:
    """Every question of the panels of the ``chosen`` dashboards."""
    for name in chosen:
        for panel in dashboard(name)["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m")
                yield Query(name, panel["title"], re.sub(r"\$\w+", ".*", expr))


def metrics(expr: str) -> set[str]:
    """The names of metrics in an expression. Names inside of label selectors (``__name__``) are not seen."""
    text = STRING.sub('""', expr)
    text = re.sub(r"\{[^}]*\}", "", text)
    text = re.sub(r"\[[^]]*\]", "", text)
    text = GROUPING.sub("", text)
    return {found for found in NAME.findall(text) if found.lower() not in WORDS}


def rule_metrics(rules: dict[str, Any]) -> set[str]:
    """The names of metrics that rules of Prometheus ask for, without those that they record."""
    every = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = set().union(*(metrics(rule["expr"]) for rule in every))
    return asked - {rule["record"] for rule in every if "record" in rule}


def main() -> None:
    """Print the queries of some dashboards, or the metrics they and some rules need, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.dashboards", description=main.__doc__)
    parser.add_argument("--metrics", action="store_true", help="names of metrics instead of queries")
    parser.add_argument("--rules", type=Path, help="a file of rules, - for standard input; their metrics too")
    parser.add_argument("dashboards", nargs="*", help="all when none is named")
    options = parser.parse_args()
    found = list(queries(options.dashboards or names()))
    if not options.metrics:
        print(json.dumps([asdict(query) for query in found]))
        return
    needed = set().union(*(metrics(query.expr) for query in found))
    if options.rules:
        text = sys.stdin.read() if str(options.rules) == "-" else options.rules.read_text(encoding="utf-8")
        needed |= rule_metrics(yaml.safe_load(text))
    print(json.dumps(sorted(needed)))


if __name__ == "__main__":
    main()
