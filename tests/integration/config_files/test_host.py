# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a server reached over SSH: secrets stay where they belong, and no file is left half replaced."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.desired import decode

from tests.integration.config_files.conftest import ROOT, Outcome, Project

FLEET = "config"
CANARY = "canary-7f3a91c2d4"
PATTERN = "[c]anary-7f3a91c2d4"  # does not match the command line that searches for it
PLACES = "/etc /home /root /run /tmp /var/log /var/tmp /var/lib"


def lab(*arguments: str) -> None:
    command = [sys.executable, "-m", "lab", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def inventory() -> Iterator[Path]:
    lab("fleet", "down", FLEET)
    try:
        lab("fleet", "up", FLEET, "--host", "config13=trixie")
        yield ROOT / ".cache" / "fleets" / FLEET / "hosts.yml"
    finally:
        lab("fleet", "down", FLEET)


@pytest.fixture
def host(project: Project, inventory: Path) -> Project:
    project.write("secrets.yml", f"canary: {CANARY}\n")
    project.write("templates/secret.j2", "password={{ canary }}\nother=1\n")
    project.write("templates/quoting.j2", "{{ canary | from_json }}\n")
    arguments = ("-i", str(inventory), "-b", "-e", f"@{project.path}/secrets.yml")
    return Project(project.path, arguments)


def run(host: Project, *files: dict[str, Any], pipelining: bool = True) -> Outcome:
    """Apply with everything turned on that talks, then let the host search itself for the canary."""
    search = f"grep -rslE '{PATTERN}' {PLACES} || true; journalctl --no-pager | grep -cE '{PATTERN}' || true"
    host.plays(
        {
            "tasks": [
                {"keelson.ops.config_files": {"files": list(files)}, "register": "done", "ignore_errors": True},
                {"ansible.builtin.shell": f"journalctl --sync; {search}", "register": "found"},
                {"ansible.builtin.debug": {"msg": "RESULT {{ found.stdout_lines | to_json }}"}},
            ]
        }
    )
    env = {
        "ANSIBLE_HOME": str(host.path / "ansible"),
        "ANSIBLE_LOG_PATH": str(host.path / "ansible.log"),
        "ANSIBLE_PIPELINING": str(pipelining),
        "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": "/tmp/keelson-config-cp",
    }
    outcome = host.play("-vvvv", "--diff", env=env)
    assert outcome.results, outcome.text
    _assert_unspoken(outcome.text + (host.path / "ansible.log").read_text())
    for path in (host.path / "ansible").rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    return outcome


def _assert_unspoken(text: str) -> None:
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")):
        assert form not in text
    for packed in re.findall(r"[A-Za-z0-9+/]{60,}={0,2}", text):
        with pytest.raises(OpsError):
            decode(packed)


def found(outcome: Outcome) -> list[str]:
    return list(outcome.results[-1])


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_secret_is_found_in_its_file_and_nowhere_else(host: Project, pipelining: bool) -> None:
    dest = f"/etc/secret-{pipelining}"
    look = "sh -c 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ > /root/processes; true' %s"
    entry = {"dest": dest, "template": "secret.j2", "mode": "0600", "secret": True, "validate": look}
    outcome = run(host, entry, pipelining=pipelining)
    assert "[secret content after the change, not shown]" in outcome.text
    assert "root:root 0600" in outcome.text
    assert found(outcome) == [dest, "0"]
    removed = run(host, {"dest": dest, "state": "absent", "secret": True}, pipelining=pipelining)
    assert f"{dest} (absent)" in removed.text
    assert found(removed) == ["0"]


def test_what_is_not_secret_would_have_been_found(host: Project) -> None:
    with pytest.raises(AssertionError):
        run(host, {"dest": "/etc/open", "template": "secret.j2"})
    (host.path / "ansible.log").unlink()
    run(host, {"dest": "/etc/open", "state": "absent", "secret": True})


def test_a_failing_validator_cannot_tell_a_secret(host: Project) -> None:
    quote = "sh -c 'cat $0; cat $0 >&2; exit 4' %s"
    outcome = run(host, {"dest": "/etc/secret", "template": "secret.j2", "secret": True, "validate": quote})
    assert "failed with exit code 4: its output is withheld, the file is secret" in outcome.text
    assert found(outcome) == ["0"]


def test_a_failing_template_cannot_tell_a_secret(host: Project) -> None:
    outcome = run(host, {"dest": "/etc/secret", "template": "quoting.j2", "secret": True})
    assert "/etc/secret: option template: " in outcome.text
    assert "the message is withheld, the file is secret" in outcome.text


def test_a_secret_for_which_the_host_is_not_ready(host: Project) -> None:
    outcome = run(host, {"dest": "/etc/missing/secret", "template": "secret.j2", "secret": True})
    assert "the directory /etc/missing does not exist" in outcome.text
    assert found(outcome) == ["0"]


def test_a_file_that_cannot_be_replaced_takes_the_others_back(host: Project) -> None:
    host.plays(
        {
            "tasks": [
                {
                    "keelson.ops.config_files": {
                        "files": [
                            {"dest": "/etc/first.d", "state": "directory"},
                            {"dest": "/etc/first.d/a", "content": "x"},
                            {"dest": "/etc/issue", "content": "new\n"},
                            {"dest": "/etc/hosts", "content": "127.0.0.1 localhost\n"},
                        ]
                    },
                    "ignore_errors": True,
                },
                {
                    "ansible.builtin.shell": "ls -A /etc | grep -E '^first|saved$'; cat /etc/issue; wc -l </etc/hosts",
                    "register": "found",
                },
                {"ansible.builtin.debug": {"msg": "RESULT {{ found.stdout_lines | to_json }}"}},
            ]
        }
    )
    outcome = host.play()
    assert "/etc/hosts: Device or resource busy; it is a mount point, which cannot be replaced" in outcome.text
    assert "and nothing was changed" in outcome.text
    first, *_rest, lines = found(outcome)
    assert first.startswith("Debian GNU/Linux")
    assert int(lines) > 1


def test_without_privileges_the_message_says_so(host: Project) -> None:
    task = {"keelson.ops.config_files": {"files": [{"dest": "/etc/a", "content": "x"}]}, "become": False}
    host.plays({"tasks": [task]})
    outcome = Project(host.path, (*host.inventory, "-e", "ansible_become=false")).play()
    assert outcome.rc != 0
    assert "/etc/a: Permission denied; not permitted to this user (become?), and nothing was changed" in outcome.text
