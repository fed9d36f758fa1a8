# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drills: what they prove, what they tell, and that they leave nothing; and the module through Ansible."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup.load import RestoredDiffersError

from tests.integration.pg_backup.conftest import PASSWORD, Place, Server, until
from tests.integration.pg_backup.test_ansible import Watcher, module

from .conftest import take
from .test_faults import loading, start, under_way

DRILL = ["--filter", "label=keelson.drill=test", "--format", "{{.Names}}"]
ROWS = "SELECT count(*) FROM orders"


def containers() -> list[str]:
    return subprocess.run(["docker", "ps", "-a", *DRILL], check=True, capture_output=True, text=True).stdout.split()


def volumes() -> set[str]:
    return set(
        subprocess.run(["docker", "volume", "ls", "-q"], check=True, capture_output=True, text=True).stdout.split()
    )


def test_a_drill_in_a_server_of_its_own(server: Server, place: Place) -> None:
    server.sql("postgres", "CREATE ROLE lost; ALTER DATABASE shop SET search_path TO public")
    server.sql("shop", "GRANT SELECT ON orders TO lost")
    take(place)
    server.sql("shop", "REVOKE SELECT ON orders FROM lost; DROP ROLE lost")
    server.sql("postgres", "ALTER DATABASE shop RESET search_path")
    before = server.databases(), server.sql("postgres", "SELECT count(*) FROM pg_roles")
    assertions = [{"sql": "SELECT has_table_privilege('lost', 'orders', 'SELECT')"}]
    done = drilling.drill(place.open(assertions=assertions), "shop", image="same")
    assert (done.assertions, done.warnings) == (1, ())
    assert containers() == []
    # In the server itself no role is made, and it is told that rights were not tested.
    done = drilling.drill(place.open(), "shop")
    assert "lacks roles of the backup (lost)" in done.warnings[0]
    assert before == (server.databases(), server.sql("postgres", "SELECT count(*) FROM pg_roles"))
    with pytest.raises(RestoredDiffersError, match="instead of true"):
        drilling.drill(place.open(assertions=[{"sql": "SELECT false"}]), "shop", image="same")
    assert containers() == []
    metrics = (place.folder / "metrics" / "keelson_backup_test.prom").read_text(encoding="utf-8")
    assert 'keelson_restore_test_backup_age_seconds{backup="test",database="shop"}' in metrics


@pytest.mark.parametrize("where", [[], ["--image", "same"]], ids=["database", "container"])
def test_what_a_killed_drill_left_is_removed_by_the_next_run(server: Server, place: Place, where: list[str]) -> None:
    place.options["databases"] = ["noise"]
    take(place)
    process = start(place, "drill", *where)
    until(lambda: containers() if where else loading(server), "the drill is under way")
    made = set()
    if where:
        (name,) = containers()
        mounts = ["docker", "inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", name]
        made = set(subprocess.run(mounts, check=True, capture_output=True, text=True).stdout.split())
    process.kill()
    process.communicate()
    assert containers() if where else under_way(server)
    cleaned = start(place, "clean", "--json")
    out, err = cleaned.communicate()
    assert cleaned.returncode == 0, err
    assert len(json.loads(out)["removed"]) == 1
    assert (containers(), under_way(server)) == ([], [])
    assert not made & volumes()


def test_a_missed_target_is_told_by_the_exit_code(place: Place) -> None:
    take(place)
    for arguments, code in (([], 0), (["--rpo-target", "0"], 5), (["--rto-target", "0"], 5)):
        process = start(place, "drill", "--json", *arguments)
        out, err = process.communicate()
        assert process.returncode == code, err
        (drill,) = json.loads(out)["drills"]
        assert drill["within_targets"] == (code == 0)
        assert drill["rto_seconds"] > 0


def test_the_module_tells_does_and_undoes(server: Server, place: Place) -> None:
    take(place)
    server.sql("shop", "DELETE FROM orders WHERE id <= 5")
    server.sql("postgres", "ALTER ROLE shopkeeper RENAME TO bookkeeper; ALTER ROLE bookkeeper PASSWORD 'x'")
    options = {**place.options, "login_password": PASSWORD}
    before = server.databases()
    told, _ = module("pg_restore", options, "--check", "--diff")
    assert (told["changed"], told["created_roles"], server.databases()) == (True, ["shopkeeper"], before)
    assert f"~ database shop is renamed to {told['set_aside']}" in told["diff"]["prepared"]
    refused, _ = module("pg_restore", options)
    assert "confirm: shop" in refused["msg"]
    with Watcher(PASSWORD, "SCRAM-SHA-256$") as watcher:
        done, text = module("pg_restore", {**options, "confirm": "shop"}, "-vvv")
    assert (done["changed"], done["rows"]) == (True, 20002)
    assert (server.sql("shop", ROWS), server.sql(done["set_aside"], ROWS)) == ("20000", "19995")
    assert watcher.seen == set()
    assert PASSWORD not in text
    assert "SCRAM-SHA-256$" not in text
    again, _ = module("pg_restore", {**options, "confirm": "shop"})
    assert not again["changed"]
    undone, _ = module("pg_restore", {**options, "confirm": "shop", "state": "undone"})
    assert (undone["changed"], server.sql("shop", ROWS)) == (True, "19995")
    cleaned, _ = module("pg_restore", {**options, "confirm": "shop", "state": "cleaned", "keep_old": 0})
    assert cleaned["removed"] == [undone["set_aside"]]
    drill, _ = module("pg_restore", {**options, "drill": True, "rpo_target": "1s"})
    assert not drill["changed"]
    assert drill["drills"][0]["rows"] == 20002
    server.sql("postgres", "DROP ROLE shopkeeper; ALTER ROLE bookkeeper RENAME TO shopkeeper")
    server.sql(
        "shop", "INSERT INTO orders SELECT g, md5(g::text), jsonb_build_object('n', g) FROM generate_series(1, 5) g"
    )
    assert server.databases() == before
