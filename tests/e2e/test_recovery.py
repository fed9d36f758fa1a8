# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database host of the lab is lost with everything on it, and comes back."""

from __future__ import annotations

import json
import re

import pytest

from lab.engine import client
from tests.e2e import operator as op

IN_DATABASE = (
    "sudo docker exec -i $(sudo docker ps -q --filter label=com.docker.compose.service=postgres) psql -U postgres -XqAt"
)
LOST = ("--extra-vars", "lost=db1", "--extra-vars", "confirm=db1")


pytestmark = pytest.mark.usefixtures("provisioned")


def sql(database: str, text: str) -> str:
    return op.ssh("db1", f'{IN_DATABASE} -d {database} -c "{text}"').strip()


def told(run: op.Run) -> str:
    """What a playbook printed, without the line breaks that Ansible puts into long texts."""
    return " ".join(run.output.split())


def test_deleted_rows_come_back_from_beside_the_live_table() -> None:
    run = op.playbook("keelson.ops.backup")
    assert run.rc == 0, run.tail
    before = sql("shop", "SELECT count(*), min(version) FROM schema_migrations")
    sql("shop", "DELETE FROM schema_migrations")
    run = op.playbook("keelson.ops.restore", "--extra-vars", "tables=public.schema_migrations")
    assert run.rc == 0, run.tail
    found = re.search(r"restored_\d{8}_\d{6}", run.output)
    assert found is not None, run.tail
    assert sql("shop", "SELECT count(*) FROM schema_migrations") == "0"
    sql("shop", f"INSERT INTO schema_migrations SELECT * FROM {found[0]}.schema_migrations")  # noqa: S608
    assert sql("shop", "SELECT count(*), min(version) FROM schema_migrations") == before
    sql("shop", f"DROP SCHEMA {found[0]} CASCADE")


def test_the_lost_database_host_comes_back_with_its_data() -> None:
    sql("shop", "DROP TABLE IF EXISTS ledger")
    sql("shop", "CREATE TABLE ledger AS SELECT g AS id, md5(g::text) AS entry FROM generate_series(1, 500) AS g")
    run = op.playbook("keelson.ops.backup")
    assert run.rc == 0, run.tail
    content = sql("shop", "SELECT md5(string_agg(l::text, '' ORDER BY id)) FROM ledger l")

    refused = op.playbook("keelson.ops.recover", "--extra-vars", "lost=db1")
    assert refused.rc != 0
    assert "-e lost=db1 -e confirm=db1" in told(refused)

    engine = client()
    engine.containers.get("keelson-lab-db1").remove(v=True, force=True)
    for volume in engine.volumes.list(filters={"label": "keelson.lab.fleet=lab"}):
        if volume.name.startswith("keelson-lab-db1-"):
            volume.remove(force=True)
    bare = op.lab("up", "--no-provision")
    assert bare.rc == 0, bare.tail
    assert op.ssh("db1", "command -v docker || echo bare").strip() == "bare"

    run = op.playbook("keelson.ops.recover", *LOST, "--extra-vars", "rto_hours=1")
    assert run.rc == 0, run.tail
    figures = re.search(r"db1 is back after (\d+) s .*? (\d+) s old", told(run))
    assert figures is not None, run.tail
    print(f"recovery time {figures[1]} s, backup {figures[2]} s old, playbook {run.seconds:.0f} s")
    assert sql("shop", "SELECT md5(string_agg(l::text, '' ORDER BY id)) FROM ledger l") == content
    owners = "SELECT string_agg(DISTINCT pg_get_userbyid(datdba), ',') FROM pg_database WHERE datname = 'shop'"
    assert sql("postgres", owners) == "shop"
    op.eventually(lambda: op.get("/health")[0], lambda status: status == 200, within=120)


def test_backups_go_on_from_where_they_were() -> None:
    before = json.loads(op.ssh("db1", "sudo keelson backup list shop --json"))["points"]
    run = op.playbook("keelson.ops.drill")
    assert run.rc == 0, run.tail
    assert "restored, compared and removed again" in told(run)
    run = op.playbook("keelson.ops.backup")
    assert run.rc == 0, run.tail
    after = json.loads(op.ssh("db1", "sudo keelson backup list shop --json"))["points"]
    # Retention may have taken one of the same day away; what was taken last is kept, and it is new.
    newest = max(after, key=lambda point: point["id"])
    assert newest["id"] > max(point["id"] for point in before)
