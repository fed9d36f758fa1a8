# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of a Compose project: made ready, brought back to a point in time, rehearsed, and lost altogether."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import PASSPHRASE, Service, docker

NOW = "SELECT clock_timestamp() AT TIME ZONE 'UTC' || '+00'"


@pytest.fixture(scope="session")
def ready(service: Service) -> Service:
    assert service.result("init") == {"created": True, "upgraded": False, "first_backup": True}
    return service


def others(service: Service) -> str:
    """Containers beside the server's own."""
    return docker("ps", "-aq", "--filter", "name=keelson-pitr-data")


def test_a_second_run_has_nothing_to_do(ready: Service) -> None:
    assert ready.result("init") == {"created": False, "upgraded": False, "first_backup": False}
    state = ready.result("status")
    assert state["ok"]
    assert [backup["type"] for backup in state["backups"]] == ["full"]  # type: ignore[attr-defined]


def test_a_row_that_was_deleted_is_back(ready: Service) -> None:
    ready.sql("INSERT INTO orders VALUES ('A')")
    time = ready.sql(NOW)
    ready.sql("DELETE FROM orders; INSERT INTO orders VALUES ('B')")
    beside = ready.result("restore", "--to", time)
    assert (beside["switched"], ready.sql("SELECT id FROM orders")) == (False, "B")
    assert ready.volumes == [f"{ready.name}_postgres", beside["volume"]]
    switched = ready.result("restore", "--to", time, "--confirm", "data")
    assert switched["plan"]["action"] == "switch"  # type: ignore[index]
    assert ready.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM orders") == "A first"
    # The one that Compose knows by name holds the restored data, the other one that from before.
    kept = docker(
        "run", "--rm", "--entrypoint=cat", "-v", f"{switched['volume']}:/d", docker_image(ready), "/d/PG_VERSION"
    )
    assert kept == "17"
    ready.sql("INSERT INTO orders VALUES ('C')")
    assert ready.result("restore", "--to", time, "--confirm", "data")["plan"]["action"] == "nothing"  # type: ignore[index]
    assert ready.result("discard", "--confirm", "data") == {"removed": [switched["volume"]]}
    assert ready.volumes == [f"{ready.name}_postgres"]
    assert others(ready) == ""


def docker_image(service: Service) -> str:
    return docker("inspect", "--format={{.Image}}", service.container)


def test_the_drill_leaves_nothing_but_its_figures(ready: Service) -> None:
    done = ready.result("drill")
    assert done["assertions"] == 1
    metrics = (ready.folder / "metrics" / "keelson_pitr_data_drill.prom").read_text(encoding="utf-8")
    assert 'keelson_pitr_drill_last_attempt_status{cluster="data"} 1' in metrics
    assert ready.volumes == [f"{ready.name}_postgres"]
    assert others(ready) == ""


def test_an_assertion_that_fails_keeps_the_switch_from_happening(ready: Service, tmp_path: Path) -> None:
    settings = json.loads((ready.folder / "etc" / "data.json").read_text(encoding="utf-8"))
    settings["assertions"] = [{"sql": "SELECT count(*) > 1000 FROM orders", "name": "many orders"}]
    (tmp_path / "data.json").write_text(json.dumps(settings), encoding="utf-8")
    done = ready.keelson("restore", "--to", "latest", "--confirm", "data", config=tmp_path)
    assert done.returncode == 4
    assert "assertion 'many orders' answered 'f'" in done.stderr
    assert ready.volumes == [f"{ready.name}_postgres"]


def test_after_a_total_loss_everything_that_was_archived_is_back(ready: Service) -> None:
    ready.sql("INSERT INTO orders VALUES ('last')")
    ready.result("check")
    ready.down()
    ready.up()
    refused = ready.keelson("init")
    assert refused.returncode == 1
    assert "holds another cluster" in refused.stderr
    assert ready.result("restore", "--to", "latest", "--confirm", "data")["switched"]
    assert "last" in ready.sql("SELECT id FROM orders").split()
    ready.result("check")


def test_a_new_cluster_can_take_the_place_of_the_lost_one_in_the_repository(ready: Service) -> None:
    time = ready.sql(NOW)
    ready.sql("INSERT INTO orders VALUES ('too late')")
    ready.result("check")
    ready.down()
    ready.up()
    ready.sql("CREATE TABLE orders (id text); INSERT INTO orders VALUES ('from a dump')")
    assert ready.result("init", "--upgrade") == {"created": False, "upgraded": True, "first_backup": True}
    assert ready.result("init") == {"created": False, "upgraded": False, "first_backup": False}
    # What was archived of the lost one is still there.
    beside = ready.result("restore", "--to", time)
    assert (beside["switched"], beside["plan"]["timeline"]) == (False, "latest")  # type: ignore[index]
    assert ready.sql("SELECT id FROM orders") == "from a dump"
    assert beside["volume"] in ready.result("discard", "--confirm", "data")["removed"]  # type: ignore[operator]
    assert ready.volumes == [f"{ready.name}_postgres"]


def test_the_passphrase_is_nowhere_but_in_the_configuration(ready: Service) -> None:
    found = subprocess.run(["grep", "-rl", PASSPHRASE, str(ready.folder)], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert PASSPHRASE not in docker("logs", ready.container)
