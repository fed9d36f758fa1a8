# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a cluster runs: settings, containers, and what a server beside the live one may do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._pitr.cluster import Place, server_options
from ansible_collections.keelson.ops.plugins.module_utils._pitr.container_cluster import (
    ContainerCluster,
    parse_container,
)
from ansible_collections.keelson.ops.plugins.module_utils._pitr.exchange import exchange
from ansible_collections.keelson.ops.plugins.module_utils._pitr.recovery import check_archiving
from ansible_collections.keelson.ops.plugins.module_utils._pitr.repository import Repository
from ansible_collections.keelson.ops.plugins.module_utils._pitr.settings import Settings, parse_settings
from ansible_collections.keelson.ops.plugins.module_utils._pitr.state import Archive, drill_samples, repository_samples


def inspected(**changes: Any) -> str:
    data = {"Type": "volume", "Name": "data_postgres", "Source": "/v/data_postgres/_data", "RW": True}
    item = {
        "Id": "abc",
        "Name": "/data-postgres-1",
        "Image": "sha256:1",
        "State": {"Running": True},
        "Config": {"Env": ["PGDATA=/var/lib/postgresql/data/pgdata"], "Cmd": ["postgres", "--archive_mode=on"]},
        "HostConfig": {"NetworkMode": "data_default", "Memory": 805306368, "ExtraHosts": None, "ShmSize": 67108864},
        "Mounts": [
            {**data, "Destination": "/var/lib/postgresql/data"},
            {"Type": "bind", "Source": "/etc/keelson/pitr/data", "Destination": "/etc/pgbackrest", "RW": False},
            {"Type": "tmpfs", "Source": "", "Destination": "/tmp"},
        ],
        "NetworkSettings": {"Networks": {"data_default": {}}},
    }
    return json.dumps([{**item, **changes}])


def test_a_container_tells_what_another_one_needs() -> None:
    found = parse_container(inspected())
    assert (found.data, found.mount["Name"]) == ("/var/lib/postgresql/data/pgdata", "data_postgres")
    assert [mount["Destination"] for mount in found.others] == ["/etc/pgbackrest"]
    assert (found.arguments, found.network) == (("--archive_mode=on",), "data_default")


@dataclass
class Engine:
    """Docker's answers to what is asked before a command is made."""

    answer: str

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        return CommandResult(command, 0, self.answer, "", 0)


def test_a_restore_sees_all_that_the_server_sees_but_its_data(tmp_path: Path) -> None:
    data = {"Type": "volume", "Name": "v", "Source": str(tmp_path), "Destination": "/var/lib/postgresql/data"}
    mounts = [{**data, "RW": True}, *json.loads(inspected())[0]["Mounts"][1:]]
    (tmp_path / "pgdata").mkdir()
    cluster = ContainerCluster(Settings("data", container="x"), Engine(inspected(Mounts=mounts)))
    argv = cluster.pgbackrest("restore", place=Place(tmp_path / "new", "v_keelson-1")).argv
    mounted = [word for word in argv if word.startswith("--mount=")]
    assert mounted == [
        "--mount=type=volume,src=v_keelson-1,dst=/var/lib/postgresql/data,volume-nocopy=true",
        "--mount=type=bind,src=/etc/keelson/pitr/data,dst=/etc/pgbackrest,readonly",
    ]
    assert argv[:3] == ("docker", "run", "--rm")
    assert argv[-3:] == ("sha256:1", "--stanza=data", "restore")
    assert "--network=data_default" in argv
    owner = tmp_path.stat()
    assert f"--user={owner.st_uid}:{owner.st_gid}" in argv
    # What isn't about another directory happens in the server's own container.
    assert cluster.pgbackrest("check").argv[:2] == ("docker", "exec")


def test_data_in_no_volume_cannot_be_exchanged() -> None:
    with pytest.raises(OpsError, match="data-postgres-1 is in no volume"):
        parse_container(inspected(Mounts=[]))


@pytest.mark.parametrize("archive", [True, False])
def test_a_server_beside_the_live_one_reaches_nobody_and_archives_nothing(archive: bool) -> None:
    options = server_options(data="/d", socket="/s", hba="/h", archive=archive)
    settings = dict(item.split("=", 1) for item in options[1::2])
    assert settings["listen_addresses"] == ""
    assert settings["archive_command"] == "false"
    assert settings["external_pid_file"] == ""
    assert settings["archive_mode"] == ("on" if archive else "off")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "version is needed"),
        ({"version": 17}, "version must be of type str"),
        ({"version": "17", "typo": 1}, "unknown option 'typo'"),
        ({"compose_project": "data"}, "belong together"),
        ({"container": "x", "compose_project": "data", "compose_service": "postgres"}, "exclude each other"),
        ({"version": "17", "name": "Main Cluster"}, "may only hold"),
        ({"version": "17", "assertions": [{"query": "x"}]}, "assertions take"),
    ],
)
def test_settings_that_are_wrong_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OpsError, match=says):
        parse_settings({"name": "main", **options}, "options")


@pytest.mark.parametrize(
    "found",
    [{"archive_mode": "off", "archive_command": "(disabled)"}, {"archive_mode": "on", "archive_command": "cp %p /x"}],
)
def test_a_server_that_archives_otherwise_is_told_how(found: dict[str, str]) -> None:
    with pytest.raises(OpsError, match="archive_command='pgbackrest --stanza=main archive-push %p'"):
        check_archiving(found, Settings("main", version="17"))


def test_directories_change_places(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.mkdir()
        (path / "name").write_text(path.name, encoding="utf-8")
    exchange(first, second)
    assert (first / "name").read_text(encoding="utf-8") == "second"
    assert (second / "name").read_text(encoding="utf-8") == "first"
    with pytest.raises(OSError, match="missing"):
        exchange(first, tmp_path / "missing")
    assert (first / "name").read_text(encoding="utf-8") == "second"


def test_metrics_of_an_unreadable_repository_say_so() -> None:
    samples = repository_samples("main", Repository(False, "broken", None, (), None, None), None)
    values = {sample.name: sample.value for sample in samples}
    assert values["keelson_pitr_repository_ok"] == 0
    assert "keelson_pitr_backup_last_success_timestamp_seconds" not in values


def test_metrics_of_the_archive_and_of_drills() -> None:
    archive = Archive(last_success=100.0, failing=True, waiting=3, waiting_seconds=60.0)
    samples = repository_samples("main", Repository(True, None, 1, (), None, None), archive)
    values = {sample.name: sample.value for sample in samples}
    assert values["keelson_pitr_archive_failing"] == 1
    assert values["keelson_pitr_archive_waiting_seconds"] == 60
    assert [sample.name for sample in drill_samples("main", {"drill_ok": 0})] == [
        "keelson_pitr_drill_last_attempt_status"
    ]
