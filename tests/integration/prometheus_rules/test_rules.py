# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert fires when it should, stays silent when it should, and these tests would notice another threshold."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.tools.dashboards import names, queries

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "tests" / "rules").glob("*.yml"))
SETTINGS = yaml.safe_load((ROOT / "roles/prometheus/vars/main.yml").read_text())["__prometheus_alerts"]
ALWAYS_FIRES = {"Watchdog"}


def promtool(tools: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tools / "promtool", *arguments], capture_output=True, text=True, check=False)


def run_cases(tools: Path, directory: Path, rules: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Test ``rules`` with all cases, in a directory of their own."""
    directory.mkdir()
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    for case in CASES:
        shutil.copy(case, directory)
    return promtool(tools, "test", "rules", *(directory / case.name for case in CASES))


def run_cases_of(tools: Path, directory: Path, alert: str, rule: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Test one rule with the cases of its alert alone."""
    directory.mkdir()
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "mutant", "rules": [rule]}]}))
    groups = [group for case in CASES for group in yaml.safe_load(case.read_text())["tests"]]
    chosen = [group for group in groups if group.get("alert_rule_test", [{}])[0].get("alertname") == alert]
    chosen = [group for group in chosen if not needs_recordings(group)]
    case = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": chosen}
    (directory / "case.yml").write_text(yaml.safe_dump(case))
    return promtool(tools, "test", "rules", directory / "case.yml")


def test_each_alert_fires_and_stays_silent_as_the_cases_say(tools: Path, rendered: Path, tmp_path: Path) -> None:
    done = run_cases(tools, tmp_path / "all", yaml.safe_load((rendered / "rules.yml").read_text()))
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_lacks_a_case_that_fires_or_one_that_does_not(rendered: Path) -> None:
    fired, silent = set(), set()
    for case in CASES:
        for test in yaml.safe_load(case.read_text())["tests"]:
            for expected in test.get("alert_rule_test", []):
                (fired if expected.get("exp_alerts") else silent).add(expected["alertname"])
    alerts = {rule["alert"] for rule in rules_of(yaml.safe_load((rendered / "rules.yml").read_text()))}
    assert alerts == set(SETTINGS)
    assert alerts - fired == set()
    assert alerts - silent == ALWAYS_FIRES


def test_every_alert_has_a_runbook(rendered: Path) -> None:
    missing = [name for name in SETTINGS if not (ROOT / "docs/runbooks" / f"{name}.md").is_file()]
    assert missing == []


def test_the_cases_notice_every_other_threshold_and_duration(tools: Path, rendered: Path, tmp_path: Path) -> None:
    mutants = list(enumerate(mutations(yaml.safe_load((rendered / "rules.yml").read_text()))))
    survivors = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = pool.map(lambda item: run_cases_of(tools, tmp_path / f"{item[0]}", item[1][0], item[1][2]), mutants)
        survivors = [what for (_, (_, what, _)), done in zip(mutants, runs, strict=True) if done.returncode == 0]
    assert len(mutants) > 2 * len(SETTINGS)
    assert survivors == []


def test_the_cases_notice_every_other_window_and_objective_of_a_recording(
    tools: Path, rendered: Path, tmp_path: Path
) -> None:
    recordings = [
        rule
        for group in yaml.safe_load((rendered / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]
    mutants = [
        [*recordings[:number], mutant, *recordings[number + 1 :]]
        for number, rule in enumerate(recordings)
        for mutant in recording_mutations(rule)
    ]

    def survives(item: tuple[int, list[dict[str, str]]]) -> bool:
        directory = tmp_path / str(item[0])
        directory.mkdir()
        (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "mutant", "rules": item[1]}]}))
        case = shutil.copy(ROOT / "tests" / "rules" / "slo_recordings.yml", directory)
        return promtool(tools, "test", "rules", case).returncode == 0

    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(survives, enumerate(mutants)))
    assert len(mutants) > len(recordings)
    assert [mutant for mutant, survived in zip(mutants, outcomes, strict=True) if survived] == []


def recording_mutations(rule: dict[str, str]) -> Iterator[dict[str, str]]:
    """The recording with a number 10 % higher, with half of its window, and with another kind of answer as errors."""
    expr = rule["expr"]
    if numbers := re.findall(r"0\.\d+", expr.replace("[.]0", "")):
        yield {**rule, "expr": expr.replace(numbers[-1], f"{float(numbers[-1]) * 1.1:g}", 1)}
    if window := re.search(r"\[(\d+)([mhd])\]", expr):
        minutes = int(window[1]) * {"m": 1, "h": 60, "d": 1440}[window[2]]
        yield {**rule, "expr": expr.replace(window[0], f"[{minutes // 2}m]")}
    if "5.." in expr:
        yield {**rule, "expr": expr.replace("5..", "2..")}


def needs_recordings(group: dict[str, object]) -> bool:
    """Whether a case starts from what an application shows and not from what was recorded of it."""
    alert = str(group["alert_rule_test"][0]["alertname"])
    series = " ".join(entry["series"] for entry in group["input_series"])
    return alert.startswith("ErrorBudget") and "slo:" not in series


def rules_of(rules: dict[str, object]) -> Iterator[dict[str, str]]:
    """Every alert."""
    for group in rules["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


def mutations(rules: dict[str, object]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each rule with its threshold 10 % higher or lower, or its duration a minute longer or shorter."""
    for rule in rules_of(rules):
        alert = rule["alert"]
        settings = SETTINGS[alert]
        minutes = int(settings["for"].rstrip("mh")) * (60 if settings["for"].endswith("h") else 1)
        for other in {minutes + 1, max(minutes - 1, 0)} - {minutes}:
            yield alert, f"{alert} for {other}m", {**rule, "for": f"{other}m"}
        yield from ((alert, what, {**rule, "expr": expr}) for what, expr in expressions(rule["expr"], settings))


def expressions(expr: str, settings: dict[str, object]) -> Iterator[tuple[str, str]]:
    """The expression with each place of its threshold 10 % off, and each recorded window or guard replaced."""
    if "threshold" in settings:
        threshold = str(settings["threshold"])
        places = [match.end() for match in re.finditer(rf"[<>] (?={re.escape(threshold)}\b)", expr)]
        assert places, expr
        for place in places:
            for factor in (0.9, 1.1):
                changed = f"{settings['threshold'] * factor:g}"
                yield f"{expr} at {factor}", expr[:place] + changed + expr[place + len(threshold) :]
    for match in re.finditer(r"slo:\w+:\w*?(5m|30m|1h|2h|6h|1d|3d)\b", expr):
        yield f"{expr} without {match[1]}", expr[: match.start(1)] + "10m" + expr[match.end(1) :]
    for match in re.finditer(r">= (\d+)", expr):
        for other in (int(match[1]) - 1, int(match[1]) + 1):
            yield f"{expr} with {other}", expr[: match.start(1)] + str(other) + expr[match.end(1) :]


def test_prometheus_understands_what_every_panel_asks(tools: Path, tmp_path: Path) -> None:
    asked = [{"record": f"panel:{number}", "expr": query.expr} for number, query in enumerate(queries(names()))]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))
    done = promtool(tools, "check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=Watchdog", "severity=none"], "watchdog"),
        (["alertname=ApiDown", "severity=critical"], "critical"),
        (["alertname=CpuHigh", "severity=warning"], "warning"),
        (["alertname=CpuScalingHint", "severity=info"], "default"),
    ],
)
def test_alerts_reach_the_receiver_of_their_severity(
    tools: Path, rendered: Path, labels: list[str], receiver: str
) -> None:
    command = [tools / "amtool", "config", "routes", "test", f"--config.file={rendered / 'alertmanager.yml'}"]
    done = subprocess.run([*command, f"--verify.receivers={receiver}", *labels], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_receiver_has_the_channels_it_should(rendered: Path) -> None:
    receivers = yaml.safe_load((rendered / "alertmanager.yml").read_text())["receivers"]
    channels = {receiver["name"]: set(receiver) - {"name"} for receiver in receivers}
    assert channels == {
        "default": {"email_configs", "webhook_configs"},
        "critical": {"email_configs", "slack_configs", "pagerduty_configs", "webhook_configs"},
        "warning": {"email_configs", "slack_configs", "webhook_configs"},
        "watchdog": {"webhook_configs"},
    }
