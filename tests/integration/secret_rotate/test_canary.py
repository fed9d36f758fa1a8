# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is found anywhere one could look, in the most verbose run there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import ADMIN, Postgres, make_secret
from .runs import ROOT

Options = Callable[[str], dict[str, Any]]


class Watcher(threading.Thread):
    """Collects the arguments of every process there is, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self._over.wait(0.01):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(place.read_bytes())
                except OSError:
                    continue

    def stop(self) -> bytes:
        self._over.set()
        self.join()
        return b"\n".join(self.seen)


def play(folder: Path, options: dict[str, Any], *flags: str) -> str:
    """Everything that ansible-playbook printed."""
    place, arguments = folder / "play.yml", folder / "arguments.json"
    by_name = {key: f"{{{{ arguments.{key} }}}}" for key in options}
    arguments.touch(0o600)
    arguments.write_text(json.dumps({"arguments": options}), encoding="utf-8")
    task = {"name": "Rotate", "keelson.ops.secret_rotate": by_name, "ignore_errors": True, "register": "result"}
    show = {"name": "Show", "ansible.builtin.debug": {"var": "result"}}
    place.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task, show]}]), encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        "-vvv",
        "--diff",
    ]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", f"@{arguments}", *flags, str(place)]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
        "ANSIBLE_KEEP_REMOTE_FILES": "0",
        "TMPDIR": str(folder / "tmp"),
    }
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    arguments.unlink()
    return done.stdout + done.stderr


@pytest.mark.parametrize("store", ["aws", "file"])
def test_no_value_is_anywhere(store: str, pg: Postgres, store_of: Options, target_of: Options, tmp_path: Path) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of("alternating"))
    options = {key: value for key, value in secret.params.items() if value is not None}
    options["secrets"] = [{key: value for key, value in secret.entry.items() if value is not None}]
    watcher = Watcher()
    watcher.start()
    values, said = [], ""
    try:
        for flags in ([], ["-e", '{"unused": 1}']):
            text = play(tmp_path, {**options, "force": True}, *flags)
            assert "action: " in text, text
            assert "FAILED!" not in text, text
            said += text
            values.append(secret.assert_settled().value)
        broken = {**options["secrets"][0]["target"], "login_host": "127.0.0.1", "login_port": 1}
        failed = play(tmp_path, {**options, "force": True, "secrets": [{**options["secrets"][0], "target": broken}]})
        assert "FAILED!" in failed
        said += failed
        held = secret.store().inspect()
        assert held.pending
        values.append(secret.store().reveal(held.pending).value)
    finally:
        arguments = watcher.stop()
    assert len(set(values)) == 3
    visible = {secret.entry["store"].get("path"), str(next(tmp_path.rglob(".password.keelson.json"), ""))}
    files = [p for p in tmp_path.rglob("*") if p.is_file() and str(p) not in visible]
    assert any(path.suffix == ".jsonl" for path in files)
    for value in (*values, ADMIN):
        assert value not in said
        assert value.encode() not in arguments
        assert value not in pg.log().replace("POSTGRES_PASSWORD", "")
        assert [str(path) for path in files if value.encode() in path.read_bytes()] == []
