# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on disk after a playbook ran: content, mode, order, validation, check mode."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from tests.integration.config_files.conftest import Project


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_run_second_run_and_drift(project: Project) -> None:
    etc = project.etc
    project.write("templates/app.conf.j2", "port {{ number }}\n")
    project.write("files/verbatim", "{{ not rendered }}\r\n\x00")
    (etc / "old").write_text("old")
    files = [
        {"dest": f"{etc}/conf.d", "state": "directory", "mode": "0750"},
        {"dest": f"{etc}/conf.d/app.conf", "template": "app.conf.j2", "vars": {"number": 8080}},
        {"dest": f"{etc}/verbatim", "src": "verbatim", "mode": "0600", "set": "raw"},
        {"dest": f"{etc}/inline.json", "content": {"a": [1, 2]}},
        {"dest": f"{etc}/empty", "content": ""},
        {"dest": f"{etc}/old", "state": "absent", "set": "raw"},
    ]
    first, second = project.apply(files, files)
    assert first["changed"]
    assert first["changed_files"] == [
        f"{etc}/{name}" for name in ("conf.d", "conf.d/app.conf", "verbatim", "inline.json", "empty", "old")
    ]
    assert first["changed_sets"] == ["raw"]
    assert (etc / "conf.d/app.conf").read_text() == "port 8080\n"
    assert (etc / "verbatim").read_bytes() == b"{{ not rendered }}\r\n\x00"
    assert (etc / "inline.json").read_text() == '{"a": [1, 2]}'
    assert (etc / "empty").read_text() == ""
    assert not (etc / "old").exists()
    assert [mode(etc / name) for name in ("conf.d", "conf.d/app.conf", "verbatim")] == [0o750, 0o644, 0o600]
    assert not list(etc.rglob(".*"))

    assert (second["changed"], second["changed_files"]) == (False, [])

    inode = (etc / "verbatim").stat().st_ino
    (etc / "verbatim").chmod(0o666)
    (etc / "empty").write_text("drift")
    (third,) = project.apply(files)
    assert third["changed_files"] == [f"{etc}/verbatim", f"{etc}/empty"]
    assert mode(etc / "verbatim") == 0o600
    assert (etc / "verbatim").stat().st_ino == inode
    assert "invocation" not in third


def test_backup_keeps_the_old_content_and_mode(project: Project) -> None:
    target = project.etc / "app.conf"
    target.write_text("old")
    target.chmod(0o640)
    entry = {"dest": str(target), "content": "new", "backup": True}
    first, second = project.apply([entry], [entry])
    (backup,) = first["backups"]
    assert backup.startswith(f"{target}.")
    assert backup.endswith("~")
    assert (Path(backup).read_text(), mode(Path(backup))) == ("old", 0o640)
    assert second["backups"] == []


def test_a_failed_validation_leaves_every_file_of_the_call(project: Project) -> None:
    etc = project.etc
    (etc / "bad").write_text("old")
    files = [
        {"dest": f"{etc}/good", "content": "fine", "validate": "grep -q fine %s"},
        {"dest": f"{etc}/bad", "content": "broken", "validate": "grep -q fine %s"},
        {"dest": f"{etc}/missing", "content": "x", "validate": "no-such-checker %s"},
        {"dest": f"{etc}/new.d", "state": "directory"},
    ]
    (result,) = project.apply(files)
    assert result["failed"]
    assert f"{etc}/bad: validation by 'grep -q fine %s' failed with exit code 1" in result["msg"]
    assert "no-such-checker: cannot be run" in result["msg"]
    assert "/good" not in result["msg"]
    assert sorted(path.name for path in etc.iterdir()) == ["bad"]
    assert (etc / "bad").read_text() == "old"


def test_files_of_a_set_see_each_other_in_the_staged_tree(project: Project) -> None:
    etc = project.etc
    check = project.write(
        "check.sh",
        '#!/bin/sh\ncd "$(dirname "$1")" && . "./$(basename "$1")" || exit 3\n'
        'cat conf.d/*.conf && test "$(cat $part)" = "$want"\n',
    )
    check.chmod(0o755)

    def files(want: str, part: str) -> list[dict[str, Any]]:
        main = {"dest": f"{etc}/main", "content": f"part=conf.d/part.conf\nwant={want}\n", "set": "app"}
        return [
            {"dest": f"{etc}/conf.d", "state": "directory", "set": "app"},
            {**main, "validate": f"{check} %s"},
            {"dest": f"{etc}/conf.d/part.conf", "content": part, "set": "app"},
        ]

    first, main_only, part_only = project.apply(files("one", "one"), files("two", "one"), files("one", "two"))
    assert first["changed_sets"] == ["app"]
    assert "exit code 1" in main_only["msg"]
    assert "exit code 1" in part_only["msg"], "the validator of the unchanged main file runs on the new part"
    assert "want=one" in (etc / "main").read_text()
    assert (etc / "conf.d/part.conf").read_text() == "one"
    (both,) = project.apply(files("two", "two"))
    assert both["changed_files"] == [f"{etc}/main", f"{etc}/conf.d/part.conf"]


def test_check_mode_writes_nothing_and_foresees_packages(project: Project) -> None:
    etc = project.etc
    (etc / "kept").write_text("old")
    files = [
        {"dest": f"{etc}/kept", "content": "new", "validate": "grep -q new %s"},
        {"dest": f"{etc}/package/app.conf", "content": "x", "owner": "no-such-user", "group": "no-such-group"},
        {"dest": f"{etc}/checked", "content": "x", "validate": "no-such-checker -t %s"},
    ]
    result, refused = project.apply(files, [{**files[0], "content": "bad"}], arguments=("--check", "--diff"))
    assert not result["failed"], result["msg"]
    assert result["changed_files"] == [file["dest"] for file in files]
    assert result["skipped_validations"] == ["no-such-checker"]
    assert [entry["after"] for entry in result["diff"]] == ["new", "x", "x"]
    assert "validation by 'grep -q new %s' failed" in refused["msg"]
    assert [path.name for path in etc.iterdir()] == ["kept"]

    (refused,) = project.apply(files)
    for problem in ("owner no-such-user", "group no-such-group", f"add an entry with dest: {etc}/package"):
        assert problem in refused["msg"]
    assert (etc / "kept").read_text() == "old"


def test_force_false_only_creates(project: Project) -> None:
    target = project.etc / "key"
    entry = {"dest": str(target), "content": "generated once", "force": False, "mode": "0600"}
    target.write_text("made by hand")
    first, second = project.apply([entry], [entry])
    assert first["changed"]
    assert (target.read_text(), mode(target)) == ("made by hand", 0o600)
    assert not second["changed"]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"mode": 0o644}, 'option mode must be a quoted octal string such as "0644", not the number 420'),
    ({"moed": "0644"}, "option moed is not known"),
    ({"content": None}, "option template or src or content: exactly one is needed, none given"),
    ({"content": None, "template": "missing.j2"}, "option template: Could not find or access 'missing.j2'"),
    ({"content": None, "src": "missing"}, "option src: Could not find or access 'missing'"),
    ({"content": "x" * (5 * 1024 * 1024 + 1)}, "the content has 5242881 bytes, the limit is 5242880"),
]


def test_mistakes_are_named_with_their_dest(project: Project) -> None:
    dest = f"{project.etc}/app.conf"
    results = project.apply(*([{"dest": dest, "content": "x", **entry}] for entry, _ in MISTAKES))
    for result, (_, message) in zip(results, MISTAKES, strict=True):
        assert result["failed"]
        assert f"{dest}: {message}" in result["msg"]


def test_options_of_the_task_itself(project: Project) -> None:
    mistakes = {"option files is required": {}, "option rendered is not known": {"rendered": "x"}}
    tasks = [{"keelson.ops.config_files": options, "ignore_errors": True} for options in mistakes.values()]
    project.plays({"tasks": [*tasks, {"keelson.ops.config_files": {"files": []}}]})
    outcome = project.play()
    assert outcome.rc == 0, outcome.text
    assert "changed=0" in outcome.text
    for message in mistakes:
        assert message in outcome.text
