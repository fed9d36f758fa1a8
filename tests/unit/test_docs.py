# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation points at exists: files, make targets, playbooks, tags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.tools.outcomes import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
each_page = pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#[^)]*)?\)")
TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    named = re.findall(r"(?:^\$ |`)(?:\w+=\S+ )*make ([a-z][a-z0-9-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) - targets == set()


@each_page
def test_playbooks_and_tags_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, rest in re.findall(r"ansible-playbook keelson\.ops\.(\w+)([^`\n]*)", text):
        plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
        tags = {tag for play in plays for tag in play.get("tags", [])}
        assert set(re.findall(r"--tags (\w+)", rest)) - tags == set()


@each_page
def test_inventories_exist(page: Path) -> None:
    named = re.findall(r"-i (inventories/\w+)", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).is_dir()] == []


def test_every_playbook_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [path.stem for path in sorted((ROOT / "playbooks").glob("*.yml"))]
    assert [name for name in names if f"| `keelson.ops.{name}` |" not in text] == []
