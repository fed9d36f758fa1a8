# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host command is installed whole: what it imports comes along, and it runs from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.keelson.ops.plugins.lookup.host_command import entries, packages

from tests.tools.outcomes import ROOT

ENGINES = ROOT / "plugins" / "module_utils"


def test_packages_are_followed_through_their_imports(tmp_path: Path) -> None:
    for name, source in {
        "_cli": "from .._one import x\n\ndef later():\n    from .._two.y import z\n",
        "_one": "from .._core.errors import OpsError\n",
        "_two": "",
        "_core": "",
        "_other": "from .._cli import main\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(source, encoding="utf-8")
    assert packages(tmp_path) == ["_cli", "_core", "_one", "_two"]


def test_the_installed_command_runs_without_the_collection(tmp_path: Path) -> None:
    for entry in entries(ENGINES):
        place = tmp_path / entry["dest"].lstrip("/")
        if entry.get("state") == "directory":
            place.mkdir(parents=True)
        elif "src" in entry:
            place.write_bytes(Path(entry["src"]).read_bytes())
    program = f"import sys; sys.path.insert(0, {str(tmp_path / 'usr/local/lib')!r}); "
    done = subprocess.run(
        [sys.executable, "-I", "-c", program + "from keelson._cli.main import main; main(['--help'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "backup" in done.stdout
