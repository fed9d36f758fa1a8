# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CI workflow and the deploy templates do what their documentation says, without trusting what they are handed."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.outcomes import ROOT

TEMPLATES = ROOT / "docs" / "workflows"
DEPLOYS = sorted(TEMPLATES.glob("deploy-*.yml"))
ALL = [*DEPLOYS, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
each_deploy = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in DEPLOYS])
each_workflow = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in ALL])


def load(path: Path) -> dict[str, Any]:
    """Return a workflow; YAML reads its key ``on`` as true."""
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    loaded["on"] = loaded.pop(True)
    return loaded


def steps(path: Path) -> list[dict[str, Any]]:
    """Return all steps of a workflow."""
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def playbook_commands(path: Path) -> list[list[str]]:
    """Return the words of each ansible-playbook command."""
    scripts = [step["run"] for step in steps(path) if "ansible-playbook" in step.get("run", "")]
    return [shlex.split(script) for script in scripts]


def test_there_are_workflows() -> None:
    assert {path.name for path in ALL} == {"ci.yml", "deploy-staging.yml", "deploy-production.yml"}


@each_workflow
def test_scripts_are_valid_and_take_values_only_from_the_environment(path: Path) -> None:
    for step in steps(path):
        script = step.get("run", "")
        assert "${{" not in script, "an expression in a script is an injection: hand it over by env"
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@each_workflow
def test_jobs_may_only_read_and_end_in_time(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())
    actions = [step["uses"] for step in steps(path) if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)


def test_ci_runs_the_one_command() -> None:
    ci = load(ROOT / ".github" / "workflows" / "ci.yml")
    assert ci["on"] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert "make test" in [step.get("run") for step in ci["jobs"]["test"]["steps"]]
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_staging_follows_develop_and_production_main_and_tags() -> None:
    staging = load(TEMPLATES / "deploy-staging.yml")
    assert staging["on"]["push"] == {"branches": ["develop"]}
    assert staging["jobs"]["deploy"]["environment"]["name"] == "staging"
    production = load(TEMPLATES / "deploy-production.yml")
    assert production["on"] == {"push": {"branches": ["main"], "tags": ["v*"]}}
    assert production["jobs"]["deploy"]["environment"]["name"] == "production"


@each_deploy
def test_one_deploy_at_a_time_and_none_is_cut_off(path: Path) -> None:
    assert load(path)["concurrency"] == {"group": path.stem, "cancel-in-progress": False}


@each_deploy
def test_deploys_name_playbooks_and_inventories_that_exist_and_hand_over_the_version(path: Path) -> None:
    commands = playbook_commands(path)
    assert commands
    for words in commands:
        playbook = ROOT / "playbooks" / f"{words[1].removeprefix('keelson.ops.')}.yml"
        assert yaml.safe_load(playbook.read_text(encoding="utf-8"))
        assert (ROOT / words[words.index("-i") + 1]).is_dir()
        assert '"version"' in words[words.index("--extra-vars") + 1]


def test_production_shows_its_plan_before_it_acts() -> None:
    planned, done = playbook_commands(TEMPLATES / "deploy-production.yml")
    assert [word for word in planned if word != "--check"] == done
    assert "--check" in planned


@each_deploy
def test_what_a_deploy_needs_is_documented_and_secrets_are_removed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    documented = (TEMPLATES / "deploy-from-ci.md").read_text(encoding="utf-8")
    for name in re.findall(r"\$\{\{ (?:secrets|vars)\.(\w+)", text):
        assert f"`{name}`" in documented
    last = steps(path)[-1]
    assert last["if"] == "${{ always() }}"
    assert "id_ed25519" in last["run"]
    assert "vault-password" in last["run"]
