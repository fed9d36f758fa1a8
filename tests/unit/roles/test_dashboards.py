# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every dashboard can be provided anywhere: stable, complete, and nothing in it is of one fleet alone."""

from __future__ import annotations

import itertools
import re

import pytest
import yaml

from tests.tools.dashboards import ROLE, dashboard, metrics, names, queries
from tests.tools.outcomes import ROOT

DASHBOARDS = {name: dashboard(name) for name in names()}
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
UNITS = {"short", "percent", "percentunit", "s", "d", "bytes", "Bps", "bps", "pps", "ops", "cps", "reqps", "rowsps"}
TITLES = {
    "System",
    "PostgreSQL",
    "Redis",
    "Application",
    "Edge",
    "Backups & recovery",
    "Deployments & secrets",
    "Service level objectives",
}


def test_all_promised_dashboards_are_there_and_offered_by_the_role() -> None:
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    offered = spec["argument_specs"]["main"]["options"]["grafana_dashboards"]["choices"]
    known = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["__grafana_known"]
    assert set(DASHBOARDS) == set(offered) == set(known)
    assert {found["title"] for found in DASHBOARDS.values()} == TITLES


@each_dashboard
def test_addresses_are_stable(name: str) -> None:
    assert DASHBOARDS[name]["uid"] == f"keelson-{name}"


@each_dashboard
def test_the_data_source_is_a_variable_everywhere(name: str) -> None:
    shown = DASHBOARDS[name]
    first, *others = shown["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    sources = [variable["datasource"] for variable in others]
    sources += [panel["datasource"] for panel in shown["panels"]]
    sources += [target["datasource"] for panel in shown["panels"] for target in panel["targets"]]
    assert [source for source in sources if source != {"type": "prometheus", "uid": "${datasource}"}] == []


@each_dashboard
def test_panels_have_titles_units_and_legends(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels} <= UNITS
    assert all(panel["title"] and panel["targets"] for panel in panels)
    assert all("{{" in target["legendFormat"] for panel in panels for target in panel["targets"] if name != "slo")
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)


@each_dashboard
def test_panels_stay_inside_and_do_not_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in DASHBOARDS[name]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@each_dashboard
def test_nothing_belongs_to_one_fleet(name: str) -> None:
    text = (ROLE / "files" / "dashboards" / f"{name}.yml").read_text(encoding="utf-8")
    assert re.findall(r"(?:host|instance|database|project|slo|secret)=~?\"[^$\"]", text) == []
    assert re.findall(r"\d+\.\d+\.\d+\.\d+|shop|keelson\.test", text) == []
    assert len(text.splitlines()) < 400


@each_dashboard
def test_variables_are_used_and_used_ones_exist(name: str) -> None:
    described = yaml.safe_load((ROLE / "files" / "dashboards" / f"{name}.yml").read_text(encoding="utf-8"))
    offered = {variable["label"] for variable in described.get("variables", [])}
    used = set(re.findall(r"\$(\w+)", str([panel["queries"] for panel in described["panels"]])))
    assert used - {"__rate_interval"} == offered


def asked(prefix: str) -> set[str]:
    return {name for query in queries(names()) for name in metrics(query.expr) if name.startswith(prefix)}


def test_every_metric_of_ours_is_written_by_an_engine() -> None:
    engines = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "module_utils").rglob("*.py"))
    engines = engines.replace('f"keelson_pitr_drill_{metric}"', '"keelson_pitr_drill_duration_seconds"')
    assert {name for name in asked("keelson_") if f'"{name}"' not in engines} == set()


def test_every_recorded_metric_is_recorded() -> None:
    template = (ROOT / "roles" / "prometheus" / "templates" / "slo.yml.j2").read_text(encoding="utf-8")
    kinds = set(re.findall(r"record: (slo:\w+:[a-z]+)", template)) | {"slo:burn_rate:"}
    windows = set(re.findall(r"'(\d+[mhd])'", template))
    recorded = {kind + window for kind in kinds for window in windows | {""}}
    assert asked("slo:") - recorded == set()


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ('sum by (host, le) (rate(a_total{mode="idle", x=~"b c"}[5m])) > 3', {"a_total"}),
        ("a / on (host) group_left (version) b_bytes", {"a", "b_bytes"}),
        ('absent(up{job="c"} == 1) or vector(0)', {"up"}),
        ("slo:burn_rate:5m > 14.4 and slo:errors:increase1h >= 1e3", {"slo:burn_rate:5m", "slo:errors:increase1h"}),
        ("max by (job) (a) - max by (job) (a offset 1h) > 50", {"a"}),
        ("time() - a unless bool", {"a"}),
    ],
)
def test_names_of_metrics_are_found_in_expressions(expr: str, found: set[str]) -> None:
    assert metrics(expr) == found
