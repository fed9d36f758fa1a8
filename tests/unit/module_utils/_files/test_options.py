# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in a task is refused with the dest and the option."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._files.options import (
    CONTENT_LIMIT,
    FileOptions,
    Source,
    check_size,
    parse_files,
)


def parse(**entry: object) -> FileOptions:
    return parse_files([{"dest": "/etc/app.conf", **entry}])[0]


def refused(*entries: object) -> str:
    with pytest.raises(OpsError) as caught:
        parse_files(list(entries))
    return caught.value.message


def test_defaults() -> None:
    parsed = parse(content="x")
    file = parsed.file
    assert (file.owner, file.group, file.mode, file.state) == ("root", "root", 0o644, "file")
    assert (file.validate, file.set_name, file.backup, file.secret, file.force) == (None, None, False, False, True)
    assert parsed.source == Source("content", "x")
    assert parsed.notify == ()
    assert parse(state="directory").file.mode == 0o755


@pytest.mark.parametrize(
    ("content", "text"), [("", ""), (5, "5"), ({"a": [1]}, '{"a": [1]}'), (["x"], '["x"]'), (True, "True")]
)
def test_content_of_any_type(content: object, text: str) -> None:
    assert parse(content=content).source == Source("content", text)


@pytest.mark.parametrize(("mode", "bits"), [("0600", 0o600), ("640", 0o640), ("1777", 0o1777), ("04755", 0o4755)])
def test_octal_modes(mode: str, bits: int) -> None:
    assert parse(content="x", mode=mode).file.mode == bits


@pytest.mark.parametrize("mode", [420, 644, "rw", "u=rw", "0888", "", "0o644", "66666"])
def test_other_modes_are_refused(mode: object) -> None:
    message = refused({"dest": "/etc/app.conf", "content": "x", "mode": mode})
    assert message.startswith("/etc/app.conf: option mode must be a quoted octal string")


def test_an_unquoted_mode_is_told_with_its_number() -> None:
    assert refused({"dest": "/a", "content": "x", "mode": 0o644}).endswith("not the number 420")


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("False", False), (1, True), ("off", False), (True, True)])
def test_flags(word: object, value: bool) -> None:
    assert parse(content="x", secret=word).file.secret is value


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("/etc/a", "files[0]: must be a dictionary, not a string"),
        ({"content": "x"}, "files[0]: option dest is required"),
        ({"dest": "etc/a", "content": "x"}, "etc/a: option dest must be an absolute path"),
        ({"dest": "/", "state": "directory"}, "/: option dest is not a path that can be managed"),
        ({"dest": "/etc/a", "content": "x", "modes": "0644"}, "/etc/a: option modes is not known; known are: backup,"),
        ({"dest": "/etc/a"}, "/etc/a: option template or src or content: exactly one is needed, none given"),
        ({"dest": "/etc/a", "src": "a", "content": "x"}, "exactly one is needed, src, content given"),
        ({"dest": "/etc/a", "state": "link"}, "/etc/a: option state must be one of: file, directory, absent"),
        ({"dest": "/etc/a", "state": "directory", "src": "a"}, "/etc/a: option src is not for a directory"),
        ({"dest": "/etc/a", "content": "x", "validate": "check"}, "/etc/a: option validate must hold %s"),
        ({"dest": "/etc/a", "content": "x", "validate": "%s"}, "/etc/a: option validate must hold %s"),
        ({"dest": "/etc/a", "content": "x", "validate": "check '%s"}, "option validate cannot be split into words"),
        ({"dest": "/etc/a", "content": "x", "secret": "maybe"}, "/etc/a: option secret must be true or false"),
        ({"dest": "/etc/a", "content": "x", "owner": True}, "/etc/a: option owner must be a name or a numeric id"),
        ({"dest": "/etc/a", "content": "x", "notify": [1]}, "/etc/a: option notify must be a handler's name or a list"),
        ({"dest": "/etc/a", "content": "x", "set": ["s"]}, "/etc/a: option set must be a non-empty string, not a list"),
        ({"dest": "/etc/a", "template": "x", "vars": "y"}, "/etc/a: option vars must be a dictionary, not a string"),
        ({"dest": "/etc/a", "template": 5}, "/etc/a: option template must be a non-empty string, not the number"),
        ({"dest": "/etc/a", "content": {1, 2}}, "/etc/a: option content must be a string, not set"),
    ],
)
def test_mistakes(entry: object, message: str) -> None:
    assert message in refused(entry)


@pytest.mark.parametrize("raw", ["text", {"dest": "/a"}, None, 5])
def test_files_must_be_a_list(raw: object) -> None:
    with pytest.raises(OpsError, match="option files must be a list"):
        parse_files(raw)


def test_a_dest_given_twice_is_refused_however_it_is_spelled() -> None:
    message = refused({"dest": "/etc/a", "content": "x"}, {"dest": "/etc//b/../a", "state": "absent"})
    assert message == "/etc/a: is given twice in option files"


@pytest.mark.parametrize("state", ["absent", "file"])
def test_nothing_lies_below_what_is_no_directory(state: str) -> None:
    parent = {"dest": "/etc/app", "state": state, "content": "x"}
    message = refused(parent, {"dest": "/etc/app/deep/a", "content": "x"})
    assert message == f"/etc/app/deep/a: lies below /etc/app, which has state {state}"


def test_a_whole_directory_can_be_removed_by_its_entries() -> None:
    assert len(parse_files([{"dest": "/etc/app", "state": "absent"}, {"dest": "/etc/app/a", "state": "absent"}])) == 2


def test_absent_takes_the_entry_of_a_file_as_it_is() -> None:
    parsed = parse(state="absent", template="app.conf.j2", validate="check %s", vars={"x": 1}, mode="0600")
    assert parsed.source is None
    assert parsed.file.validate is None


def test_null_is_not_given() -> None:
    assert parse(content="x", owner=None, template=None, validate=None, notify=None).file.owner == "root"


def test_handlers_by_name_or_list() -> None:
    assert parse(content="x", notify="Reload app").notify == ("Reload app",)
    assert parse(content="x", notify=["a", "b"]).notify == ("a", "b")


def test_content_is_in_no_representation() -> None:
    assert "hunter2" not in repr(parse(content="hunter2", secret=True))
    assert "hunter2" not in repr(parse(template="a.j2", vars={"password": "hunter2"}))


def test_large_content_is_refused() -> None:
    assert check_size("/etc/a", b"x" * CONTENT_LIMIT)
    with pytest.raises(OpsError, match=r"/etc/a: the content has 5242881 bytes, the limit is 5242880"):
        check_size("/etc/a", b"x" * (CONTENT_LIMIT + 1))
