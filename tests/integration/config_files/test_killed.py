# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed leaves whole files, and the next one leaves nothing of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.config_files.conftest import ACCOUNT, ROOT, Project, environment

LOOP = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import DesiredFile
from ansible_collections.keelson.ops.plugins.module_utils._files.observed import observe
from ansible_collections.keelson.ops.plugins.module_utils._files.plan import make_plan
from ansible_collections.keelson.ops.plugins.module_utils._files.transaction import apply
root, user, group = sys.argv[1:]
for number in range(1000000):
    content = (b"a" if number % 2 else b"b") * 200000
    files = [DesiredFile(f"{root}/{name}", content=content, owner=user, group=group) for name in "xyz"]
    apply(make_plan(files, observe(files), check_mode=False), datetime.now(timezone.utc))
    print(number, flush=True)
"""
WHOLE = {"a" * 200000, "b" * 200000}


def test_a_kill_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOOP, str(tmp_path), ACCOUNT["owner"], ACCOUNT["group"]]
    for attempt in range(12):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}
        ) as writer:
            assert writer.stdout is not None
            for _ in range(attempt % 4 + 1):
                assert writer.stdout.readline()
            writer.kill()
        for name in "xyz":
            assert (tmp_path / name).read_text() in WHOLE
    visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert sorted(visible) == ["x", "y", "z"]


def test_a_run_killed_during_validation_changed_nothing_and_is_cleaned_up_after(project: Project) -> None:
    marker = project.path / "pids"
    target = project.etc / "key"
    target.write_text("old")
    entry = {"dest": str(target), "content": "new secret", "secret": True, **ACCOUNT}
    wait = f"sh -c 'echo $PPID $$ $0 > {marker}; exec sleep 600' %s"
    project.plays({"tasks": [{"keelson.ops.config_files": {"files": [{**entry, "validate": wait}]}}]})
    with subprocess.Popen(project.command(), env=environment(), cwd=project.path, stdout=subprocess.PIPE) as run:
        module, validator, staged = _wait_for(marker)
        root = _staging_root(Path(staged))
        assert Path(staged).read_text() == "new secret"
        os.kill(int(module), signal.SIGKILL)
        os.kill(int(validator), signal.SIGKILL)
        output, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert b"new secret" not in output
    assert target.read_text() == "old"
    assert root.exists()

    (result,) = project.apply([{**entry, "validate": "test -f %s"}])
    assert result["changed"]
    assert target.read_text() == "new secret"
    assert not root.exists()


def _wait_for(marker: Path) -> list[str]:
    deadline = time.monotonic() + 120
    while not (marker.exists() and re.fullmatch(r"\d+ \d+ .+\n", marker.read_text())):
        assert time.monotonic() < deadline, "the validator did not start"
        time.sleep(0.05)
    return marker.read_text().split()


def _staging_root(staged: Path) -> Path:
    return next(parent for parent in staged.parents if parent.name.startswith("keelson-staged-"))
