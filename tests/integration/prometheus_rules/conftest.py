# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's rules as it would install them, and the distribution's tools that check them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / ".cache" / "prometheus-tools"
PACKAGES = ("prometheus", "prometheus-alertmanager")


@pytest.fixture(scope="session")
def tools() -> Path:
    """The directory of promtool and amtool; taken out of Debian's packages when they are not installed."""
    if shutil.which("promtool") and shutil.which("amtool"):
        return Path(shutil.which("promtool")).parent
    if not (TOOLS / "usr/bin/amtool").exists():
        downloads = TOOLS / "packages"
        downloads.mkdir(parents=True, exist_ok=True)
        downloads.chmod(0o777)  # apt downloads as a user of its own
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=downloads, check=True)
        for package in downloads.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, TOOLS], check=True)
    return TOOLS / "usr/bin"


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the rendered rules and the configuration of Alertmanager."""
    output = tmp_path_factory.mktemp("rendered")
    subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *("-i", "localhost,", "-e", f"output={output}", "-e", f"ansible_python_interpreter={sys.executable}"),
            Path(__file__).parent / "render.yml",
        ],
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    yield output
    shutil.rmtree(output)
