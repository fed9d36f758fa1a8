# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options become settings, or a message that names the option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import (
    load_settings,
    parse_duration,
    parse_settings,
    places,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

MINIMAL: dict[str, Any] = {"databases": ["shop"], "destinations": [{"type": "directory", "path": "/b"}]}


def refused(**changes: Any) -> str:
    with pytest.raises(OpsError) as caught:
        parse_settings({**MINIMAL, **changes})
    return caught.value.message


def test_little_is_needed() -> None:
    settings = parse_settings(MINIMAL)
    assert (settings.name, settings.databases, settings.source.login_user) == ("shop", ("shop",), "postgres")


def test_none_means_the_default() -> None:
    assert (
        parse_settings({**MINIMAL, "login_host": None, "retention": {"days": None, "min_keep": 2}}).retention.min_keep
        == 2
    )


def test_durations_are_read_as_people_write_them() -> None:
    settings = parse_settings({**MINIMAL, "max_age": "20h", "lock_timeout": 5})
    assert (settings.max_age, settings.lock_timeout) == (72000, 5)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), (90, 90), ("30m", 1800), ("7d", 604800), ("2 w", 1209600)])
def test_duration(text: str | int, seconds: float) -> None:
    assert parse_duration(text, "max_age") == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5h", "soon", True, "h"])
def test_no_duration(text: object) -> None:
    with pytest.raises(OpsError, match="max_age"):
        parse_duration(text, "max_age")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"databases": []}, "databases"),
        ({"databases": ["a", "a"]}, "twice"),
        ({"name": "../etc"}, "name"),
        ({"destinations": []}, "destinations"),
        ({"destinations": [{"type": "ftp"}]}, "neither directory nor s3"),
        ({"destinations": [{"type": "directory", "path": "relative"}]}, "not absolute"),
        ({"destinations": [{"type": "s3"}]}, "bucket"),
        ({"destinations": [{"type": "s3", "bucket": "b", "acces_key": "x"}]}, "unknown option 'acces_key'"),
        ({"retentoin": {}}, "unknown option 'retentoin'"),
        ({"retention": {"days": "30"}}, "days must be of type int"),
        ({"retention": {"days": -1}}, "negative"),
        ({"retention": {"min_keep": 0}}, "min_keep"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"globals": "yes"}, "globals must be of type bool"),
        ({"container": "pg", "login_host": "db"}, "not for a server in a container"),
        ({"container": "pg", "compose_project": "p", "compose_service": "s"}, "exclude each other"),
        ({"compose_project": "p"}, "belong together"),
        ({"login_host": "db", "login_unix_socket": "/run"}, "exclude each other"),
        ({"encryption_recipients": ["age1x"], "encryption_gpg_keys": ["y"]}, "exclude each other"),
        ({"compression_program": "gzip"}, "compression_program"),
        ({"stall_timeout": 0}, "stall_timeout"),
        ({"command": ["mongodump"]}, "only for source command"),
        ({"source": "mysql"}, "neither postgres nor command"),
        ({"source": "command", "name": "m", "command": ["x"]}, "no databases"),
        ({"destinations": [{"type": "s3", "bucket": "b", "object_lock_days": 3}]}, "belong together"),
        (
            {"destinations": [{"type": "s3", "bucket": "b", "object_lock_days": 3, "object_lock_mode": "SOFT"}]},
            "neither GOVERNANCE nor COMPLIANCE",
        ),
        (
            {"destinations": [{"type": "s3", "bucket": "b", "object_lock_days": 0, "object_lock_mode": "COMPLIANCE"}]},
            "at least 1",
        ),
    ],
)
def test_refused(changes: dict[str, Any], words: str) -> None:
    assert words in refused(**changes)


def test_secrets_are_in_no_text_of_the_settings() -> None:
    store = {"type": "s3", "bucket": "b", "access_key": "AKIA", "secret_key": "CANARY1", "session_token": "CANARY2"}
    settings = parse_settings({**MINIMAL, "login_password": "CANARY3", "destinations": [store]})
    assert "CANARY" not in repr(settings)
    assert sorted(settings.secrets) == ["CANARY1", "CANARY2", "CANARY3"]


COMMAND = {"source": "command", "name": "m", "command": ["dump"], "destinations": MINIMAL["destinations"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "needs a name"),
        ({"command": []}, "needs a command"),
        ({"command": "mongodump --archive"}, "must be a list"),
        ({"login_host": "db"}, "not for source command"),
    ],
)
def test_a_command_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OpsError, match=words):
        parse_settings({**COMMAND, **changes})


def test_a_command_is_named_like_its_backup_and_its_environment_is_secret() -> None:
    settings = parse_settings({**COMMAND, "command_env": {"PASSWORD": "CANARY"}})
    assert settings.databases == ("m",)
    assert settings.secrets == ("CANARY",)
    assert "CANARY" not in repr(settings)


@pytest.mark.parametrize("path", ["/b", "/b/"])
def test_two_backups_with_the_same_database_need_different_places(tmp_path: Path, path: str) -> None:
    write(tmp_path, json.dumps(MINIMAL))
    other = tmp_path / "other.json"
    other.touch(0o600)
    other.write_text(json.dumps({**MINIMAL, "destinations": [{"type": "directory", "path": path}]}), encoding="utf-8")
    with pytest.raises(OpsError, match="other and shop of this host both keep their points in /b/shop"):
        load_settings("other", tmp_path)
    # What a command writes has a place of its own, whatever its name.
    command = parse_settings({**COMMAND, "name": "shop"})
    assert places(command) & places(parse_settings(MINIMAL)) == set()


def write(folder: Path, text: str, mode: int = 0o600) -> None:
    path = folder / "shop.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_the_hosts_file(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({"destinations": MINIMAL["destinations"], "databases": ["a", "b"]}))
    assert load_settings("shop", tmp_path).name == "shop"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(MINIMAL), 0o644)
    with pytest.raises(OpsError, match="chmod 0600"):
        load_settings("shop", tmp_path)


def test_a_missing_file_names_those_that_exist(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(MINIMAL))
    with pytest.raises(OpsError, match=r"'shpo'.*there: shop"):
        load_settings("shpo", tmp_path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, "{")
    with pytest.raises(OpsError, match="is not JSON"):
        load_settings("shop", tmp_path)
