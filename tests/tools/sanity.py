# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` on a copy of the collection.

ansible-test works only below a folder ``ansible_collections/keelson/ops``, keeps its virtual environments in the home
folder and downloads a bootstrap for pip. Here it gets a copy of the files that git knows, a home folder of its own in
.cache/ and the pip of this virtual environment, so that it needs nothing but a package index.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pip
import yaml

from lab import playbooks
from tests.tools.outcomes import ROOT, Outcome, conclude

HOME = ROOT / ".cache" / "ansible-test"
COPY = HOME / "ansible_collections" / "keelson" / "ops"
PIP_ARCHIVE = HOME / "pip.zip"
STAND_IN = """import runpy
import sys

sys.path.insert(0, {archive!r})
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
STARTED = re.compile(r'^Running sanity test "(?P<name>[^"]+)"')
SUMMARY = re.compile(r"^(?:ERROR|FATAL): The \d+ sanity test\(s\) listed below")
MISSING = re.compile(r'^WARNING: Required program "\w+" not found')


def published(name: str, ignored: Sequence[str]) -> bool:
    """Return whether a file is part of the collection: what build_ignore leaves out, isn't."""
    parts = Path(name).parts
    heads = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    return not any(fnmatch(head, pattern) for head in heads for pattern in ignored)


def copy_collection() -> None:
    """Copy the collection's files: those git knows, or would, and the built artifact holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if published(name, ignored) and source.exists():
            target = COPY / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


def bootstrap_pip() -> None:
    """Put this environment's pip where ansible-test looks for its downloaded bootstrap, with this user's settings."""
    package = Path(pip.__file__).parent
    HOME.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(PIP_ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(package.parent))
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("24_2", "20_3_4"):
        cache.joinpath(f"get_pip_{version}.py").write_text(STAND_IN.format(archive=str(PIP_ARCHIVE)), encoding="utf-8")
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = HOME / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(pip_settings(listed), encoding="utf-8")


def pip_settings(listed: str) -> str:
    """Turn the output of ``pip config list`` into a pip.conf: ansible-test hands no environment variables to pip."""
    found = {"quiet": "2"}
    for line in listed.splitlines():
        name, _equals, value = line.partition("=")
        section, _dot, key = name.rpartition(".")
        if section in ("global", ":env:"):
            found[key] = value.strip("'\"").replace("\\n", " ")
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(found.items()))


def sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Split ansible-test's output into the tests' parts; its closing summary belongs to none."""
    name = "ansible-test"
    part: list[str] = []
    for line in lines:
        found = STARTED.match(line)
        if found or SUMMARY.match(line):
            yield name, part
            name, part = (found["name"], []) if found else ("", [])
        else:
            part.append(line)
    yield name, part


def outcomes(lines: Sequence[str], status: int, seconds: float) -> list[Outcome]:
    """Return one outcome per sanity test of a run: a test with an error line failed, also when the run broke off."""
    verdicts: dict[str, str | None] = {}
    for name, part in sections(lines):
        wrong = any(line.startswith(("ERROR: ", "FATAL: ")) for line in part)
        if wrong:
            verdicts[name] = "see above"
        elif name not in ("", "ansible-test") and not any(MISSING.match(line) for line in part):
            verdicts.setdefault(name, None)
    if status != 0 and not any(verdicts.values()):
        verdicts["ansible-test"] = f"exit status {status}"
    return [Outcome(name, seconds / len(verdicts), verdict) for name, verdict in verdicts.items()]


def run(arguments: Sequence[str]) -> list[Outcome]:
    """Run the sanity tests, with live output."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {
        **os.environ,
        "HOME": str(HOME),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH", "FORCE_COLOR"):
        environment.pop(name, None)
    command = ["ansible-test", "sanity", "--color", "no", "--python", version, *arguments]
    done = playbooks.run(command, folder=COPY, environment=environment)
    return outcomes(done.output.splitlines(), done.rc, done.seconds)


def main() -> int:
    """Run all sanity tests, or those asked for with --test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="append", default=[], help="run only this sanity test (may be repeated)")
    parser.add_argument("--report", type=Path, help="write the counts to this JSON file")
    options = parser.parse_args()
    copy_collection()
    bootstrap_pip()
    return conclude(run([argument for name in options.test for argument in ("--test", name)]), options.report)


if __name__ == "__main__":
    sys.exit(main())
