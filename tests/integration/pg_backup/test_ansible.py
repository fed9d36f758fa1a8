# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules through Ansible: results, check mode, and no secret anywhere one could look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from .conftest import PASSWORD, SECRET_KEY, Bucket, Place, Server

ROOT = Path(__file__).resolve().parents[3]


def module(name: str, options: dict[str, Any], *flags: str, folder: Path | None = None) -> tuple[dict[str, Any], str]:
    """The module's result, and everything that was printed."""
    folder = folder or Path(options["state_dir"]).parent
    arguments, play, result = folder / "arguments.json", folder / "play.yml", folder / "result.json"
    # By name, as a user of a vault does: the play's own text is shown with errors.
    by_name = {key: f"{{{{ arguments.{key} }}}}" for key in options}
    arguments.write_text(json.dumps({"arguments": options}), encoding="utf-8")
    run = {"name": "Run", f"keelson.ops.{name}": by_name, "register": "result", "ignore_errors": True}
    keep = {"content": "{{ result | to_json }}", "dest": str(result), "mode": "0600"}
    tasks = [run, {"name": "Keep the result", "ansible.builtin.copy": keep, "check_mode": False}]
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", *flags]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", f"@{arguments}", str(play)]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    arguments.unlink()
    text = done.stdout + done.stderr
    assert result.exists(), text
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found, text


class Watcher:
    """Looks for a text in the arguments of every process."""

    def __init__(self, *needles: str) -> None:
        self._needles = [needle.encode() for needle in needles]
        self._over = threading.Event()
        self.seen: set[str] = set()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for path in [*Path("/proc").glob("[0-9]*/cmdline")]:
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                self.seen.update(f"{path}: {text!r}" for needle in self._needles if needle in text)


def test_check_mode_tells_then_the_run_does_it_then_nothing_is_due(bucket: Bucket, place: Place) -> None:
    options = {**place.options, "max_age": "1h"}
    told, _ = module("pg_backup", options, "--check")
    assert (told["changed"], told["databases"][0]["take"]) == (True, True)
    assert place.manifests() == []
    done, _ = module("pg_backup", options)
    assert done["changed"]
    assert len(place.manifests()) == 1
    again, _ = module("pg_backup", options)
    assert not again["changed"]
    listed, _ = module("pg_backup_info", {**place.options, "verify": "read"})
    assert {point["id"] for point in listed["points"]} == {done["databases"][0]["id"]}
    assert [point["ok"] for point in listed["verified"]] == [True, True]


@pytest.mark.parametrize("source", ["container", "tcp"])
def test_secrets_are_in_no_output_and_no_argument(server: Server, place: Place, source: str) -> None:
    options = {**place.options, "login_password": PASSWORD}
    if source == "tcp":
        # Fails, for the client is of another version; failing is when secrets are told.
        del options["container"]
        options |= {"login_host": "127.0.0.1", "login_port": server.port}
    with Watcher(PASSWORD, SECRET_KEY) as watcher:
        result, text = module("pg_backup", options, "-vvv")
    assert result.get("failed", False) == (source == "tcp")
    for secret in (PASSWORD, SECRET_KEY):
        assert secret not in text
        kept = [path for path in place.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
        assert kept == []
    assert watcher.seen == set()
    assert not list(Path("/tmp").glob("keelson-*/pgpass"))
