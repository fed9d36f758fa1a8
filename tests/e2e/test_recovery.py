# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database host of the lab is lost with everything on it, and comes back."""

from __future__ import annotations

import json
import re
from typing import Any

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


def recoverable() -> dict[str, Any]:
    """What can be restored to a point in time."""
    found: dict[str, Any] = json.loads(op.ssh("db1", "sudo keelson pitr status --json"))
    return found


def to_time(when: str, **others: str) -> op.Run:
    extra = {"target_time": when, **others}
    return op.playbook("keelson.ops.restore", *(f"--extra-vars={key}={value}" for key, value in extra.items()))


def test_a_row_that_was_deleted_is_back_after_recovery_to_the_second_before() -> None:
    sql("shop", "CREATE TABLE receipts AS SELECT 'kept' AS id, clock_timestamp() AS at")
    op.eventually(
        lambda: sql("shop", "SELECT clock_timestamp() > at + interval '2 s' FROM receipts"),
        lambda past: past == "t",
        within=60,
    )
    second_before = "replace((now() AT TIME ZONE 'UTC' - interval '1 s')::text, ' ', 'T') || 'Z'"
    when = sql("shop", f"DELETE FROM receipts RETURNING {second_before}")  # noqa: S608
    sql("shop", "INSERT INTO receipts VALUES ('later', now())")
    before = recoverable()

    beside = to_time(when)
    assert beside.rc == 0, beside.tail
    assert "the live server is untouched" in told(beside)
    assert sql("shop", "SELECT id FROM receipts") == "later"
    refused = to_time(when, confirm="shop")
    assert refused.rc != 0
    assert "confirm 'shop' is not the name of the cluster, 'data'" in told(refused)

    switched = to_time(when, confirm="data")
    assert switched.rc == 0, switched.tail
    print(f"beside {beside.seconds:.0f} s, switch {switched.seconds:.0f} s; {told(switched)[-600:]}")
    assert sql("shop", "SELECT id FROM receipts") == "kept"
    op.eventually(lambda: op.get("/health")[0], lambda status: status == 200, within=120)
    op.eventually(lambda: op.get("/api/products")[0], lambda status: status == 200, within=60)

    op.ssh("db1", "sudo systemctl start keelson-pitr-diff-data.service")
    after = recoverable()
    assert after["ok"]
    assert after["backups"][-1]["type"] == "diff"
    assert after["wal_last"][:8] > before["wal_last"][:8], "a timeline of its own"

    volumes = "sudo docker volume ls --quiet --filter label=keelson.pitr=data"
    [kept] = op.ssh("db1", volumes).split()
    assert op.ssh("db1", f"sudo cat /var/lib/docker/volumes/{kept}/_data/PG_VERSION").strip() == "17"
    op.ssh("db1", "sudo keelson pitr discard --confirm data")
    assert op.ssh("db1", volumes) == ""
    sql("shop", "DROP TABLE receipts")


def test_the_lost_database_host_comes_back_with_its_data() -> None:
    sql("shop", "DROP TABLE IF EXISTS ledger")
    sql("shop", "CREATE TABLE ledger AS SELECT g AS id, md5(g::text) AS entry FROM generate_series(1, 500) AS g")
    run = op.playbook("keelson.ops.backup")
    assert run.rc == 0, run.tail
    content = sql("shop", "SELECT md5(string_agg(l::text, '' ORDER BY id)) FROM ledger l")

    refused = op.playbook("keelson.ops.recover", "--extra-vars", "lost=db1")
    assert refused.rc != 0
    assert "-e lost=db1 -e confirm=db1" in told(refused)
    refused = op.playbook("keelson.ops.recover", *LOST)
    assert refused.rc != 0
    assert "db1 has an archive and dumps; say which of them" in told(refused)

    engine = client()
    engine.containers.get("keelson-lab-db1").remove(v=True, force=True)
    for volume in engine.volumes.list(filters={"label": "keelson.lab.fleet=lab"}):
        if volume.name.startswith("keelson-lab-db1-"):
            volume.remove(force=True)
    bare = op.lab("up", "--no-provision")
    assert bare.rc == 0, bare.tail
    assert op.ssh("db1", "command -v docker || echo bare").strip() == "bare"

    run = op.playbook("keelson.ops.recover", *LOST, "--extra-vars", "rto_hours=1 point=latest")
    assert run.rc == 0, run.tail
    figures = re.search(r"db1 is back after (\d+) s .*? (\d+) s old", told(run))
    assert figures is not None, run.tail
    print(f"recovery time {figures[1]} s, backup {figures[2]} s old, playbook {run.seconds:.0f} s")
    assert sql("shop", "SELECT md5(string_agg(l::text, '' ORDER BY id)) FROM ledger l") == content
    owners = "SELECT string_agg(DISTINCT pg_get_userbyid(datdba), ',') FROM pg_database WHERE datname = 'shop'"
    assert sql("postgres", owners) == "shop"
    op.eventually(lambda: op.get("/health")[0], lambda status: status == 200, within=120)


def test_backups_go_on_from_where_they_were() -> None:
    state = recoverable()
    assert state["ok"]
    assert (state["backups"][-1]["type"], state["archive"]["failing"]) == ("full", False)
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
