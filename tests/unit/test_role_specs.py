# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's argument specs are the one source of its options: defaults, documentation and tasks agree with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2 import nodes

from tests.tools.outcomes import ROOT
from tests.tools.role_docs import filled, flattened, role_readme, roles, spec

ROLES = [pytest.param(role, id=role.name) for role in roles()]
TESTED = {"bookworm", "trixie"}
EXPECTED = {"jammy", "noble"}
BARE_EXPRESSIONS = {"when", "changed_when", "failed_when", "until", "that"}
# Autoescaping is about HTML; these templates are only parsed.
PARSER = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701


def expressions(value: Any, *, bare: bool = False) -> Iterator[str]:
    """Yield the Jinja sources in a YAML document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from expressions(inner, bare=key in BARE_EXPRESSIONS)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner, bare=bare)
    elif isinstance(value, str):
        yield "{{ " + value + " }}" if bare and "{{" not in value else value


def sources(role: Path) -> Iterator[str]:
    """Yield the Jinja sources of a role: its templates and every string of its YAML."""
    for folder in ("tasks", "handlers", "vars", "defaults"):
        for path in sorted((role / folder).rglob("*.yml")):
            yield from expressions(yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in sorted((role / "templates").rglob("*")):
        if path.is_file():
            yield path.read_text(encoding="utf-8")


def used(role: Path) -> set[str]:
    """Return the names of variables that a role reads."""
    return {name.name for source in sources(role) for name in PARSER.parse(source).find_all(nodes.Name)}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_spec(role: Path) -> None:
    options = spec(role)["main"].get("options", {})
    path = role / "defaults" / "main.yml"
    defaults = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
    assert defaults == {name: option["default"] for name, option in options.items() if "default" in option}


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_the_role_is_an_option(role: Path) -> None:
    options = {name for entry in spec(role).values() for name in entry.get("options", {})}
    own = {name for name in used(role) if name.startswith(f"{role.name}_")}
    assert own - options == set(), "used and not in meta/argument_specs.yml"


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_used(role: Path) -> None:
    options = set(spec(role)["main"].get("options", {}))
    assert options - used(role) == set(), "in meta/argument_specs.yml and used nowhere"


@pytest.mark.parametrize("role", ROLES)
def test_options_are_named_typed_and_described(role: Path) -> None:
    for name in spec(role)["main"].get("options", {}):
        assert name.startswith(f"{role.name}_")
    for entry in spec(role).values():
        assert entry["short_description"]
        for path, option in flattened(entry.get("options", {})):
            assert option.get("type"), f"{path}: no type"
            assert option.get("description"), f"{path}: no description"
            assert option["type"] != "list" or option.get("elements"), f"{path}: a list of what?"


@pytest.mark.parametrize("role", ROLES)
def test_readme_holds_the_current_table(role: Path) -> None:
    assert (role / "README.md").read_text(encoding="utf-8") == role_readme(role), "run make docs"


@pytest.mark.parametrize("role", ROLES)
def test_role_names_the_platforms_it_is_for(role: Path) -> None:
    galaxy = yaml.safe_load((role / "meta" / "main.yml").read_text(encoding="utf-8"))["galaxy_info"]
    platforms = {entry["name"]: set(entry["versions"]) for entry in galaxy["platforms"]}
    assert platforms["Debian"] == TESTED
    assert "noble" in platforms["Ubuntu"]
    assert platforms["Ubuntu"] <= EXPECTED


@pytest.mark.parametrize("role", ROLES)
def test_role_is_tested_on_both_releases(role: Path) -> None:
    described = yaml.safe_load((ROOT / "molecule" / role.name / "molecule.yml").read_text(encoding="utf-8"))
    assert {platform["release"] for platform in described["platforms"]} == {"trixie", "bookworm"}
    for name in ("converge.yml", "verify.yml"):
        play = yaml.safe_load((ROOT / "molecule" / role.name / name).read_text(encoding="utf-8"))
        assert play[0]["tasks" if name == "verify.yml" else "hosts"]


def test_nested_options_get_their_path() -> None:
    options = {"a_sites": {"type": "list", "options": {"tls": {"type": "dict", "options": {"key": {}}}}}}
    assert [path for path, _option in flattened(options)] == ["a_sites", "a_sites[].tls", "a_sites[].tls.key"]


def test_a_readme_without_its_markers_is_refused() -> None:
    assert (
        filled("# a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "x", "new\n") == "# a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n"
    )
    with pytest.raises(ValueError, match=re.escape("<!-- x -->")):
        filled("# a\n", "x", "new\n")
