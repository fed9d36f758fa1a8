# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's metadata agree with its files, and nothing of one machine stands in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tools.outcomes import ROOT
from tests.tools.role_docs import module_documentation, modules

LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later"


def tracked() -> list[Path]:
    """Return the files of the repository, or skip: an installed artifact has no history to ask."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name and not name.startswith("collections/")]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """Return a file's text; binary files have none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def machine_traces() -> list[str]:
    """Return what would betray the machine this runs on: where the checkout and Python live, its package mirrors."""
    folders = [ROOT, Path(sys.base_prefix), *ROOT.parents]
    found = [f"{folder}/" for folder in folders if len(folder.parts) >= 3 and folder.parts[1] != "usr"]
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    hosts = re.findall(r"https?://([^/\s:'\"]+)", listed)
    return found + hosts


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert sorted(runtime["action_groups"]["ops"]) == [path.stem for path in modules()]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in modules()])
def test_module_documents_how_it_behaves(path: Path) -> None:
    documentation = module_documentation(path)
    assert documentation["module"] == path.stem
    assert documentation["version_added"]
    assert {"check_mode", "diff_mode"} <= set(documentation["attributes"])


def test_no_trace_of_this_machine_stands_in_the_tree() -> None:
    traces = machine_traces()
    found = [f"{path.relative_to(ROOT)}: {trace}" for path in tracked() for trace in traces if trace in text_of(path)]
    assert found == []


def test_every_python_file_carries_the_licence() -> None:
    without = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and text_of(path).strip() and LICENCE not in text_of(path)
    ]
    assert without == []


def test_the_artifact_leaves_out_what_only_the_repository_needs() -> None:
    ignored = set(yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"])
    assert {"collections", "lab", "molecule", ".cache", "tests/e2e", "tests/tools"} <= ignored


def tasks_of(item: object) -> list[dict[str, object]]:
    """Return every mapping in a playbook that says where it is delegated to, however deep in blocks."""
    if isinstance(item, list):
        return [found for inner in item for found in tasks_of(inner)]
    if not isinstance(item, dict):
        return []
    return [item] * ("delegate_to" in item) + [found for inner in item.values() for found in tasks_of(inner)]


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").rglob("*.yml")), ids=lambda path: path.stem)
def test_nothing_is_run_as_root_on_the_operators_machine(path: Path) -> None:
    """An inventory's ``ansible_become`` holds there too. It wins over a task's keyword, not over its variables."""
    for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))):
        if "localhost" in str(task["delegate_to"]):
            assert "become" not in task, task.get("name")
            assert "ansible_become" in task.get("vars", {}), task.get("name")  # type: ignore[operator]
