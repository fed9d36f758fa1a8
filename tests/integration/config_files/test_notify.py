# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the handlers of what changed run, each once, also in check mode, in loops and by their topics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.config_files.conftest import ACCOUNT, Project


def handler(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "ran"}, **more}


HANDLERS = (
    handler("Reload a"),
    handler("Reload b"),
    handler("Reload both"),
    handler("Own"),
    handler("Listener", listen="topic of b"),
)


def play(project: Project, a: str, b: str, *, check: bool = False, **task: Any) -> dict[str, Any]:
    files = [
        {"dest": f"{project.etc}/a", "content": a, "notify": ["Reload a", "Reload both"], **ACCOUNT},
        {"dest": f"{project.etc}/b", "content": b, "notify": ["Reload b", "topic of b", "Reload both"], **ACCOUNT},
        {"dest": f"{project.etc}/c", "content": "", **ACCOUNT},
    ]
    return call(files, check_mode=check, **task)


def call(files: list[dict[str, Any]], **task: Any) -> dict[str, Any]:
    return {"tasks": [{"keelson.ops.config_files": {"files": files}, **task}], "handlers": list(HANDLERS)}


@pytest.mark.parametrize("check", [False, True])
def test_handlers_of_changed_files_only(project: Project, check: bool) -> None:
    phases = [("1", "1"), ("1", "1"), ("2", "1"), ("2", "2")]
    plays = [play(project, a, b, check=check) for a, b in phases]
    if check:  # what was foreseen then happens
        plays = [
            each for phase, foreseen in zip(phases, plays, strict=True) for each in (foreseen, play(project, *phase))
        ]
    project.plays(*plays)
    handlers = project.play().handlers
    expected = [
        ["Reload a", "Reload b", "Reload both", "Listener"],
        [],
        ["Reload a", "Reload both"],
        ["Reload b", "Reload both", "Listener"],
    ]
    assert handlers == ([each for each in expected for _ in range(2)] if check else expected)


def test_beside_the_task_s_own_handlers(project: Project) -> None:
    project.plays(
        play(project, "1", "1", notify=["Own", "Reload a"]),
        play(project, "1", "2", notify=["Own"]),
        play(project, "1", "2", notify=["Own"]),
    )
    assert project.play().handlers == [
        ["Reload a", "Reload b", "Reload both", "Own", "Listener"],
        ["Reload b", "Reload both", "Own", "Listener"],
        [],
    ]


def test_mode_alone_and_removal_notify(project: Project) -> None:
    entry = {"dest": f"{project.etc}/a", "content": "1", "notify": "Reload a", **ACCOUNT}
    absent = {"dest": f"{project.etc}/a", "state": "absent", "notify": "Own"}
    project.plays(call([{**entry, "mode": "0600"}]), call([entry]), call([absent]), call([absent]))
    assert project.play().handlers == [["Reload a"], ["Reload a"], ["Own"], []]


def test_each_item_of_a_loop_notifies_for_itself(project: Project) -> None:
    (project.etc / "a").write_text("a")
    files = [
        {"dest": f"{project.etc}/{{{{ item }}}}", "content": "{{ item }}", "notify": "Reload {{ item }}", **ACCOUNT}
    ]
    project.plays(call(files, loop=["a", "b"]), call(files, loop=["a", "b"]))
    assert project.play().handlers == [["Reload b"], []]


def test_each_host_notifies_for_itself(project: Project) -> None:
    (project.etc / "one").write_text("x")
    entry = {
        "dest": f"{project.etc}/{{{{ inventory_hostname }}}}",
        "content": "x",
        "notify": "Reload {{ 'a' if inventory_hostname == 'one' else 'b' }}",
        **ACCOUNT,
    }
    project.plays(call([entry]))
    outcome = Project(project.path, ("-i", "one,two", *project.inventory[2:])).play()
    assert outcome.handlers == [["Reload b"]]
    assert "changed: [two]" in outcome.text


def test_the_handler_of_a_role_and_a_flush(project: Project) -> None:
    project.write("roles/app/handlers/main.yml", "- {name: Reload app, ansible.builtin.debug: {msg: ran}}\n")
    project.write(
        "roles/app/tasks/main.yml",
        "- keelson.ops.config_files:\n    files:\n"
        f"      - {{dest: {project.etc}/a, content: x, notify: 'app : Reload app', "
        f'owner: "{ACCOUNT["owner"]}", group: "{ACCOUNT["group"]}"}}\n'
        "- ansible.builtin.meta: flush_handlers\n"
        "- {name: Verify, ansible.builtin.debug: {msg: after}}\n",
    )
    project.write("site.yml", "- {hosts: all, gather_facts: false, roles: [app]}\n")
    outcome = project.play()
    assert outcome.handlers == [["app : Reload app"]]
    assert outcome.text.index("RUNNING HANDLER") < outcome.text.index("app : Verify")


def test_a_failed_call_notifies_nobody_and_the_next_one_does(project: Project) -> None:
    def entries(number: int) -> list[dict[str, Any]]:
        return [
            {"dest": f"{project.etc}/a", "content": "x", "notify": "Reload a", **ACCOUNT},
            {"dest": f"{project.etc}/b", "content": "x", "validate": f"test {number} = 1 -o -d %s", **ACCOUNT},
        ]

    project.plays(call(entries(0), ignore_errors=True), call(entries(1)))
    assert project.play().handlers == [[], ["Reload a"]]


def test_an_unknown_handler_is_an_error(project: Project) -> None:
    project.plays(call([{"dest": f"{project.etc}/a", "content": "x", "notify": "No such handler", **ACCOUNT}]))
    outcome = project.play()
    assert outcome.rc != 0
    assert "The requested handler 'No such handler' was not found" in outcome.text
