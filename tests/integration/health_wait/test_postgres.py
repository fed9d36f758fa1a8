# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL primary with a standby."""

from __future__ import annotations

import time

import pytest
from docker.models.containers import Container

from lab.images import service_image

from .conftest import Start, address, error_of, wait

SECRET = "correct-horse-battery-staple"
FOLLOW = """
set -e
export PGPASSWORD="$POSTGRES_PASSWORD"
until pg_basebackup --host "$PRIMARY" --username postgres --pgdata "$PGDATA" --write-recovery-conf --checkpoint=fast
do sleep 1; done
exec postgres
"""


@pytest.fixture(scope="module")
def primary(start_once: Start) -> Container:
    return start_once(service_image("postgres"), environment={"POSTGRES_PASSWORD": SECRET})


def check(server: Container, **options: object) -> dict[str, object]:
    return {"postgres": {"host": address(server), "password": SECRET, **options}}


def test_the_database_is_waited_for_from_its_first_start_on(primary: Container) -> None:
    report = wait(check(primary), timeout=240)
    assert report.ok, report.message
    assert report.checks[0].timeline[-1].words == "query answered by a primary"


def test_a_query_and_its_value(primary: Container) -> None:
    assert wait(check(primary, query="SELECT count(*) FROM pg_database WHERE datname = 'postgres'", value="1")).ok
    assert wait(check(primary, query="SELECT 1 WHERE false")).ok
    error = error_of(check(primary, query="SELECT count(*) > 100 FROM pg_database", value="true"), timeout=5)
    assert error == "the query gives 'false', expected 'true'"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong-password"}, 'FATAL: password authentication failed for user "postgres"'),
        ({"database": "shop"}, 'FATAL: database "shop" does not exist'),
        ({"query": "SELECT * FROM orders"}, 'relation "orders" does not exist'),
        ({"query": "CREATE TABLE t (i int)"}, "cannot execute CREATE TABLE in a read-only transaction"),
        ({"role": "standby"}, "is a primary, expected a standby"),
        ({"sslmode": "require"}, "server does not support SSL"),
        ({"port": 1}, "Connection refused"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(primary: Container, options: dict[str, object], words: str) -> None:
    report = wait(check(primary, **options), timeout=5)
    assert not report.ok
    assert words in report.checks[0].error
    assert SECRET not in repr(report)
    assert "wrong-password" not in repr(report)


def test_a_slow_query_is_ended_on_the_server_too(primary: Container) -> None:
    report = wait(check(primary, query="SELECT pg_sleep(600)"), timeout=4, probe_timeout=1)
    assert not report.ok
    assert report.checks[0].error in ("no answer within 1 s", "canceling statement due to statement timeout")
    left = check(primary, query="SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'", value="0")
    assert wait(left).ok


def test_a_frozen_server_delays_nobody(primary: Container) -> None:
    primary.pause()
    began = time.monotonic()
    try:
        report = wait(check(primary), timeout=3, probe_timeout=1)
    finally:
        primary.unpause()
    assert not report.ok
    assert time.monotonic() - began < 20
    assert report.checks[0].error.endswith(("no answer within 1 s", "timeout expired"))
    assert wait(check(primary)).ok


def test_a_standby_is_told_from_a_primary(primary: Container, start: Start) -> None:
    standby = start(
        service_image("postgres"),
        ["bash", "-c", FOLLOW],
        environment={"POSTGRES_PASSWORD": SECRET, "PRIMARY": address(primary)},
    )
    report = wait(check(standby, role="standby"), timeout=240)
    assert report.ok, report.message
    assert error_of(check(standby, role="primary"), timeout=5) == "is a standby, expected a primary"
