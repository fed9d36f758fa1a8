# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories to copy name options that exist, and say of every secret where it comes from."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.tools.outcomes import ROOT

INVENTORIES = ROOT / "inventories"
OPTIONS = {
    spec.parents[1].name: set(yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"])
    for spec in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
}
# Switches of playbooks/site.yml.
SWITCHES = {"postgres_pitr_enabled"}
VARIABLE = re.compile(r"^(?:# ?)?(\w+):", re.MULTILINE)


def texts(inventory: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((INVENTORIES / inventory).rglob("*.yml")):
        yield path, path.read_text(encoding="utf-8")


def role_of(name: str) -> str:
    """The role whose prefix a variable has, the longest that fits."""
    return max((role for role in OPTIONS if name.startswith(f"{role}_")), key=len, default="")


@pytest.mark.parametrize("inventory", ["lab", "staging", "prod"])
def test_options_of_roles_exist_also_those_that_are_commented_out(inventory: str) -> None:
    named = {(path.name, name) for path, text in texts(inventory) for name in VARIABLE.findall(text)}
    assert named
    unknown = [
        f"{file}: {name}"
        for file, name in sorted(named)
        if (role := role_of(name)) and name not in OPTIONS[role] | SWITCHES
    ]
    assert unknown == []


@pytest.mark.parametrize("inventory", ["staging", "prod"])
def test_the_vault_to_fill_in_names_every_secret_that_is_used_and_no_other(inventory: str) -> None:
    example = INVENTORIES / inventory / "group_vars" / "all" / "vault.yml.example"
    used = {name for _path, text in texts(inventory) for name in re.findall(r"\bvault_\w+", text)}
    assert used == set(yaml.safe_load(example.read_text(encoding="utf-8")))


@pytest.mark.parametrize("inventory", ["staging", "prod"])
def test_every_group_that_a_playbook_works_on_is_there(inventory: str) -> None:
    described = yaml.safe_load((INVENTORIES / inventory / "hosts.yml").read_text(encoding="utf-8"))
    groups = set(described["all"]["children"])
    assert {"app", "database", "edge", "monitoring"} <= groups


def planned(inventory: str, secrets: Path) -> subprocess.CompletedProcess[str]:
    """What role compose_app would write on the application hosts; asks no host anything."""
    plan = "app_projects | keelson.ops.compose_plan(rules=compose_app_environment_rules | default([]))"
    show = ["-m", "ansible.builtin.debug", "-a", f"msg={{{{ ({plan}).files | map(attribute='dest') | join(' ') }}}}"]
    command = [
        str(Path(sys.executable).parent / "ansible"),
        "app",
        "-i",
        f"inventories/{inventory}",
        "-e",
        f"@{secrets}",
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run([*command, *show], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("inventory", ["staging", "prod"])
def test_its_application_can_be_planned_once_the_vault_is_filled_in_and_not_before(
    inventory: str, tmp_path: Path
) -> None:
    example = INVENTORIES / inventory / "group_vars" / "all" / "vault.yml.example"
    refused = planned(inventory, example)
    assert refused.returncode != 0
    told = " ".join((refused.stdout + refused.stderr).split())
    for name, problem in (
        ("JWT_SECRET", "is required and not set"),
        ("postgres_password", "is required and not set"),
        ("DATABASE_URL (backend.env)", "is a URL with an empty password"),
        ("REDIS_URL (backend.env)", "is a URL with an empty password"),
    ):
        assert f"{name} {problem}" in told
    filled = tmp_path / "vault.json"
    names = yaml.safe_load(example.read_text(encoding="utf-8"))
    filled.write_text(json.dumps({name: f"of-a-length-that-does-{name * 4}" for name in names}), encoding="utf-8")
    done = planned(inventory, filled)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/opt/shop/compose.yaml" in done.stdout
