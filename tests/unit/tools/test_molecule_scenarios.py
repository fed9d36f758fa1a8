# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Molecule run counts only when every host took part in every step."""

from __future__ import annotations

import pytest

from tests.tools.molecule_scenarios import on_ubuntu, problem

HOSTS = ("demo13", "demo12")
RECAP = "{host:<26} : ok={ok}    changed=0    unreachable=0    failed={failed}    skipped=0    rescued=0    ignored=0\n"


def log(*, hosts: tuple[str, ...] = HOSTS, ok: int = 2, failed: int = 0, without: str = "") -> str:
    """Write a log as Molecule prints it."""
    text = "INFO     Found config file .config/molecule/config.yml\n"
    for step in ("create", "check", "converge", "idempotence", "verify", "destroy"):
        if step == without:
            continue
        text += f"INFO     [demo > {step}] Executing\n\nPLAY RECAP ****\n"
        names = ("localhost",) if step in ("create", "destroy") else hosts
        text += "".join(RECAP.format(host=name, ok=ok, failed=failed) for name in names)
        text += f"\nINFO     [demo > {step}] Executed: Successful\n"
    return text


def test_a_whole_run_passes() -> None:
    assert problem(log(), HOSTS, 0) is None


def test_a_failed_run_names_its_step() -> None:
    assert problem(log().split("INFO     [demo > verify]")[0], HOSTS, 2) == "exit status 2 in step idempotence"


def test_the_step_that_failed_is_named_although_destroy_came_after_it() -> None:
    text = log() + "ERROR    [demo > create] \x1b[31mExecuted: Failed\x1b[0m\nINFO     [demo > destroy] Executing\n"
    assert problem(text, HOSTS, 1) == "exit status 1 in step create"


def test_a_play_without_hosts_fails_although_molecule_succeeds() -> None:
    assert problem(log() + "skipping: no hosts matched\n", HOSTS, 0) == "a play matched no hosts"


@pytest.mark.parametrize("step", ["check", "converge", "idempotence", "verify"])
def test_a_step_that_did_not_run_fails(step: str) -> None:
    assert problem(log(without=step), HOSTS, 0) == f"step {step} ran nothing on demo13, demo12"


def test_a_host_without_tasks_fails() -> None:
    assert problem(log(hosts=("demo13",)), HOSTS, 0) == "step check ran nothing on demo12"
    assert problem(log(ok=0), HOSTS, 0) == "step check ran nothing on demo13, demo12"


def test_a_failed_host_does_not_count_as_reached() -> None:
    assert problem(log(failed=1), HOSTS, 0) == "step check ran nothing on demo13, demo12"


def test_a_role_runs_on_those_releases_of_ubuntu_that_it_is_for() -> None:
    assert on_ubuntu("docker") == {"trixie": "noble", "bookworm": "jammy"}
    assert on_ubuntu("caddy") == {"trixie": "noble", "bookworm": "noble"}
