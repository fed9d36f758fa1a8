# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user gets from Galaxy works without the repository, and holds nothing but the collection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.tools.outcomes import ROOT
from tests.tools.role_docs import modules, roles

from .conftest import Elsewhere

LEFT_OUT = ("lab/", "molecule/", "collections/", "tests/e2e/", "tests/integration/", "tests/unit/", ".cache/", ".git/")
PLAY = """---
- name: Use one module and one role of the installed collection
  hosts: all
  tasks:
    - name: Apply two files in one call
      keelson.ops.config_files:
        files:
          - dest: /etc/elsewhere
            state: directory
          - dest: /etc/elsewhere/motd
            content: "from the artifact\\n"
      when: not ansible_check_mode
    - name: Harden the host
      ansible.builtin.import_role:
        name: keelson.ops.hardening
      when: ansible_check_mode
"""


def test_holds_the_whole_collection_and_nothing_else(artifact: Path) -> None:
    with tarfile.open(artifact) as archive:
        members = archive.getmembers()
    names = [member.name for member in members]
    assert [name for name in names if name.startswith(LEFT_OUT) or "__pycache__" in name] == []
    assert [member.name for member in members if member.issym() or member.islnk()] == []
    assert {f"plugins/modules/{path.name}" for path in modules()} <= set(names)
    assert {f"roles/{role.name}/meta/argument_specs.yml" for role in roles()} <= set(names)
    assert {"README.md", "COPYING", "CHANGELOG.md", "meta/runtime.yml"} <= set(names)


def test_every_module_and_role_is_documented_after_installation(elsewhere: Elsewhere) -> None:
    listed = json.loads(elsewhere.run("ansible-doc", "--json", "-t", "module", "-l", "keelson.ops").stdout)
    assert set(listed) == {f"keelson.ops.{path.stem}" for path in modules()}
    documented = json.loads(elsewhere.run("ansible-doc", "--json", "-t", "role", "-l", "keelson.ops").stdout)
    assert set(documented) == {f"keelson.ops.{role.name}" for role in roles()}


def test_playbooks_are_usable_by_name(elsewhere: Elsewhere) -> None:
    names = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
    assert "site" in names
    listed = elsewhere.run(
        "ansible-playbook", "-i", "localhost,", "--syntax-check", *[f"keelson.ops.{n}" for n in names]
    )
    assert listed.stdout.count("playbook: ") == len(names)


def test_a_playbook_elsewhere_uses_a_module_and_a_role(elsewhere: Elsewhere, inventory: Path) -> None:
    play = elsewhere.folder / "play.yml"
    play.write_text(PLAY, encoding="utf-8")
    arguments = ("-i", str(inventory), str(play))
    first = elsewhere.run("ansible-playbook", *arguments)
    assert re.search(r"bare13 .*changed=1 .*failed=0", first.stdout), first.stdout
    second = elsewhere.run("ansible-playbook", *arguments)
    assert re.search(r"bare13 .*changed=0 .*failed=0", second.stdout), second.stdout
    read = elsewhere.run(
        "ansible", "-i", str(inventory), "all", "-m", "ansible.builtin.command", "-a", "cat /etc/elsewhere/motd"
    )
    assert "from the artifact" in read.stdout
    planned = elsewhere.run("ansible-playbook", "--check", "--diff", *arguments)
    assert "/etc/ssh/" in planned.stdout, "the role's plan shows what it would write"


def test_galaxy_accepts_it(artifact: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = {name: value for name, value in environment.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [sys.executable, "-m", "galaxy_importer.main", str(artifact)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "ERROR" not in output, output
    assert "Importer processing completed successfully" in output
