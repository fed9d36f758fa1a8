# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands hold no secret in their arguments, and say what they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup.client import (
    ContainerPrograms,
    connection_string,
    open_programs,
    require_same_major,
)
from ansible_collections.keelson.ops.plugins.module_utils._backup.server import create_statement
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import Source
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError


class Answers:
    """A runner that gives the same answer to everything."""

    def __init__(self, stdout: str = "", rc: int = 0) -> None:
        self.stdout, self.rc = stdout, rc
        self.asked: list[Command] = []

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        self.asked.append(command)
        return CommandResult(command, self.rc, self.stdout, "", 0.0)


def test_a_server_over_tcp_gets_its_connection_by_environment_and_its_password_by_file() -> None:
    source = Source(login_host="db", login_password="pa:ss\\word", ssl_mode="verify-full", ca_cert="/ca.pem")
    with open_programs(source, "keelson backup shop", Answers()) as programs:
        command = programs.command("psql", "-w", database="shop")
        passfile = Path(command.env["PGPASSFILE"])
        assert passfile.read_text(encoding="utf-8") == "*:*:*:*:pa\\:ss\\\\word\n"
        assert (passfile.stat().st_mode & 0o777, passfile.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert command.argv == ("psql", "-w")
        assert command.env["PGSSLMODE"] == "verify-full"
        assert command.env["PGSSLROOTCERT"] == "/ca.pem"
        assert "pa:ss" not in repr(command)
    assert not passfile.parent.exists()


def test_a_container_gets_its_password_by_environment_only() -> None:
    source = Source(container="pg", login_password="CANARY", login_user="shop")
    with open_programs(source, "keelson backup shop", Answers("true\n")) as programs:
        command = programs.command("pg_dump", database="shop")
    assert "CANARY" not in " ".join(command.argv)
    assert command.env == {"PGPASSWORD": "CANARY"}
    assert command.argv[command.argv.index("PGPASSWORD") - 1] == "-e"
    assert command.argv[-2:] == ("pg", "pg_dump")
    assert "CANARY" not in repr(command)


@pytest.mark.parametrize(("found", "number"), [("", 0), ("a\nb\n", 2)])
def test_a_compose_service_must_have_one_container(found: str, number: int) -> None:
    source = Source(compose_project="data", compose_service="postgres")
    with pytest.raises(OpsError, match=f"has {number} running containers"), open_programs(source, "x", Answers(found)):
        pass


def test_a_stopped_container_is_named() -> None:
    with (
        pytest.raises(OpsError, match="'pg' is not running"),
        open_programs(Source(container="pg"), "x", Answers("false")),
    ):
        pass


PROGRAMS = ContainerPrograms("pg", "postgres", "postgres", 5432, "x")


def test_the_same_major_version_is_right() -> None:
    runner = Answers("pg_dump (PostgreSQL) 17.6 (Debian 17.6-1)")
    assert require_same_major(PROGRAMS, "pg_dump", 17, "shop", runner) == "17.6"


@pytest.mark.parametrize("runner", [Answers("pg_dump (PostgreSQL) 15.8"), Answers("", 127)])
def test_another_major_version_is_refused_with_the_fix(runner: Answers) -> None:
    with pytest.raises(OpsError, match="install the package postgresql-client-17"):
        require_same_major(PROGRAMS, "pg_dump", 17, "shop", runner)


def test_a_database_name_cannot_become_a_connection_string() -> None:
    assert connection_string("host=evil user='x\\'") == "dbname='host=evil user=\\'x\\\\\\''"


def test_a_database_is_made_with_the_locale_it_had() -> None:
    base: dict[str, str | None] = {"encoding": "UTF8", "collate": "C", "ctype": "C"}
    statement = create_statement('a"b', base, "own er")
    assert statement.startswith('CREATE DATABASE "a""b" WITH TEMPLATE template0 ')
    assert statement.endswith("ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' OWNER \"own er\"")
    icu = create_statement("a", {**base, "provider": "i", "provider_locale": "pt-BR"}, None)
    assert icu.endswith("LOCALE_PROVIDER icu ICU_LOCALE 'pt-BR'")
