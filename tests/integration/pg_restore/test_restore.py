# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that go well: in place of the live database, beside it, elsewhere, of some tables; and undoing them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

import psycopg2
import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._backup import undo as undoing
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Keep, Request
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import with_server
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from tests.integration.pg_backup.conftest import PASSWORD, Place, Server, until

from .conftest import restore, take

ROWS = "SELECT count(*) FROM orders"


@dataclass
class Logins:
    """When the clients of a database got in: moments of time."""

    moments: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def longest_gap(self) -> float:
        return max(after - before for before, after in zip(self.moments, self.moments[1:], strict=False))


@contextmanager
def logins(server: Server, clients: int = 4) -> Iterator[Logins]:
    """Clients that log in and ask something, again and again; one of them keeps its connection idle."""
    seen, over = Logins(), threading.Event()

    def connect() -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, dbname="shop", connect_timeout=10
        )

    def ask() -> None:
        while not over.wait(0.01):
            try:
                connection = connect()
                with connection.cursor() as cursor:
                    cursor.execute(ROWS)
                connection.close()
                seen.moments.append(time.monotonic())
            except psycopg2.Error:
                seen.refused += 1

    idle = connect()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
        idle.close()


def test_a_restore_takes_the_live_ones_place_and_can_be_undone(server: Server, place: Place) -> None:
    point = take(place)
    server.sql("shop", "DELETE FROM orders WHERE id > 100; COMMENT ON DATABASE shop IS 'the shop''s'")
    server.sql("postgres", 'ALTER DATABASE shop SET search_path TO "$user", public, "We""ird"')
    server.sql("postgres", "REVOKE CONNECT ON DATABASE shop FROM PUBLIC; GRANT CONNECT ON DATABASE shop TO shopkeeper")
    with logins(server) as seen:
        done = restore(place, confirm="shop")
        after = len(seen.moments)
        while len(seen.moments) < after + 8:
            time.sleep(0.01)
    assert done.outage_seconds is not None
    print(f"outage {done.outage_seconds * 1000:.0f} ms, longest gap of logins {seen.longest_gap * 1000:.0f} ms")
    # Both are short beside the restore, in most of which the live database is in use as ever.
    assert done.outage_seconds < done.seconds / 2
    assert seen.longest_gap < done.seconds / 2
    assert server.sql("shop", ROWS) == "20000"
    assert done.set_aside is not None
    assert server.sql(done.set_aside, ROWS) == "100"
    described = (
        "SELECT pg_get_userbyid(datdba), datacl, shobj_description(oid, 'pg_database'), (SELECT setconfig FROM "
        "pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = '{}'"
    )
    old, new = (server.sql("postgres", described.format(name)) for name in (done.set_aside, "shop"))
    assert sorted(old) == sorted(new)

    again = restore(place, confirm="shop")
    assert (again.changed, again.listed.point.id) == (False, point)
    assert restore(place, confirm="shop", point=point).changed is False

    request = Request("shop", confirm="shop")
    told = undoing.undo(place.open(), request, check=True)
    assert (told.changed, server.sql("shop", ROWS)) == (True, "20000")
    undone = undoing.undo(place.open(), request)
    assert (undone.changed, server.sql("shop", ROWS)) == (True, "100")
    assert undone.set_aside is not None
    assert server.sql(undone.set_aside, ROWS) == "20000"
    assert undoing.undo(place.open(), request).changed is False
    server.sql("postgres", "ALTER DATABASE shop RESET ALL; GRANT CONNECT ON DATABASE shop TO PUBLIC")
    server.sql("postgres", "COMMENT ON DATABASE shop IS NULL")
    server.sql("shop", "SET search_path TO public")


def test_nothing_is_replaced_without_its_name(server: Server, place: Place) -> None:
    take(place)
    before = server.databases()
    for confirm in (None, "noise", "Shop"):
        with pytest.raises(OpsError, match=r"confirm: shop; the present one is kept as shop_before_"):
            restore(place, confirm=confirm)
    with pytest.raises(OpsError, match="confirm: noise"):
        restore(place, into="noise", confirm="shop")
    assert server.databases() == before


def test_check_mode_shows_what_then_happens(server: Server, place: Place) -> None:
    take(place)
    server.sql("postgres", "ALTER ROLE shopkeeper RENAME TO bookkeeper")
    before = server.databases()
    try:
        prepared = restoring.plan_restore(place.open(), Request("shop"))
        assert server.databases() == before
        assert prepared.found is not None
        assert prepared.found.new == ("shopkeeper",)
        assert prepared.plan.set_aside is not None
        done = restore(place, confirm="shop")
        assert done.created_roles == ("shopkeeper",)
        assert server.sql("shop", "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'") == "shopkeeper"
    finally:
        server.sql("postgres", "DROP DATABASE shop WITH (FORCE)")
        server.sql("postgres", f'ALTER DATABASE "{done.set_aside}" RENAME TO shop')
        server.sql("postgres", "DROP ROLE shopkeeper; ALTER ROLE bookkeeper RENAME TO shopkeeper")


def test_old_databases_go_by_number_and_age_and_the_newest_stays(server: Server, place: Place) -> None:
    for name in ("shop_before_20200101_000000", "shop_before_20990101_000000", "shop_before_the_war"):
        server.sql("postgres", f"CREATE DATABASE {name}")
    take(place)
    done = restore(place, confirm="shop", keep=Keep(seconds=3600))
    assert done.removed == ("shop_before_20200101_000000",)
    told = undoing.clean(place.open(), "shop", Keep(count=1), None, check=True)
    assert told.remove == (done.set_aside,)
    with pytest.raises(OpsError, match="confirm: shop"):
        undoing.clean(place.open(), "shop", Keep(count=1), None)
    assert undoing.clean(place.open(), "shop", Keep(count=2), "shop").changed is False
    assert {"shop_before_the_war", done.set_aside} <= server.databases()


def test_a_point_is_found_by_time(server: Server, place: Place) -> None:
    first = take(place)
    # Ids tell the second.
    until(lambda: datetime.now(timezone.utc).strftime("%H%M%S") != first[9:15], "the next second")
    second = take(place)
    moment = f"{second[:4]}-{second[4:6]}-{second[6:8]}T{second[9:11]}:{second[11:13]}:{second[13:15]}Z"
    assert restore(place, into="shop_then", point=moment).listed.point.id == second
    earlier = f"{first[:4]}-{first[4:6]}-{first[6:8]}T{first[9:11]}:{first[11:13]}:{first[13:15]}+00:00"
    assert restore(place, into="shop_earlier", point=earlier).listed.point.id == first
    assert restore(place, into="shop_then", point=moment).changed is False
    with pytest.raises(OpsError, match="no restore point 2001-01-01"):
        restore(place, into="shop_too_early", point="2001-01-01")


ITEMS = """
CREATE TYPE state AS ENUM ('new', 'paid');
CREATE SCHEMA sales;
CREATE TABLE sales.item (a int, b state, c text, d int GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY (b, a));
INSERT INTO sales.item VALUES (1, 'new', E'tab\\tline\\n\\\\.'), (2, 'paid', NULL);
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'fired'; END$$;
CREATE TRIGGER no BEFORE INSERT ON sales.item EXECUTE FUNCTION no();
"""
CONTENT = "SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM orders o"
KEYS = "SELECT count(*) FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace AND contype = 'p'"
LOST = "SELECT count(*) FROM {schema}.orders r WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = r.id)"
BACK = "INSERT INTO orders SELECT * FROM {schema}.orders r WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = r.id)"


@pytest.fixture
def items(server: Server) -> Iterator[None]:
    server.sql("shop", ITEMS)
    yield
    server.sql("shop", "DROP SCHEMA sales CASCADE; DROP FUNCTION no; DROP TYPE state")


@pytest.mark.usefixtures("items")
def test_some_tables_beside_the_live_ones(server: Server, place: Place) -> None:
    whole = server.sql("shop", CONTENT)
    take(place)
    server.sql("shop", "DELETE FROM orders WHERE id <= 10; DELETE FROM sales.item")
    before, live = server.databases(), server.sql("shop", CONTENT)
    done = restore(place, tables=("public.orders", "sales.item", 'public.We"ird'))
    assert done.schema is not None
    try:
        assert (done.rows, done.tables, server.databases()) == (20004, 3, before)
        assert server.sql("shop", CONTENT) == live
        assert server.sql("shop", LOST.format(schema=done.schema)) == "10"
        rows = server.sql("shop", f"SELECT a, b, d, length(c) FROM {done.schema}.item ORDER BY a")  # noqa: S608
        assert rows == "1|new|2|11\n2|paid|4|"
        assert server.sql("shop", KEYS.format(schema=done.schema)) == "2"
        assert restore(place, tables=("public.orders",)).changed is False
        with pytest.raises(OpsError, match=r"has no table public\.nothing .* it has public\.We"):
            restore(place, tables=("public.nothing",))
        server.sql("shop", BACK.format(schema=done.schema))
        assert server.sql("shop", CONTENT) == whole
    finally:
        server.sql("shop", f"DROP SCHEMA {done.schema} CASCADE")


def test_into_another_server_with_its_roles(server: Server, other_server: Server, place: Place) -> None:
    server.sql("postgres", "ALTER ROLE shopkeeper PASSWORD 'CANARY-role-password'")
    take(place)
    backup = place.open()
    there = replace(backup, settings=with_server(backup.settings, {"container": other_server.container}, "test"))
    done = restoring.restore(there, Request("shop", into="shop_again"))
    assert done.created_roles == ("shopkeeper",)
    assert other_server.sql("shop_again", "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'") == "shopkeeper"
    verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'shopkeeper'"
    assert other_server.sql("postgres", verifier) == server.sql("postgres", verifier) != ""
    other_server.sql("postgres", "ALTER ROLE shopkeeper PASSWORD NULL")
    again = restoring.restore(there, Request("shop", into="shop_again", confirm="shop_again", force=True))
    assert (again.created_roles, other_server.sql("postgres", verifier)) == ((), "")


def test_a_restore_of_the_servers_own_database(server: Server, place: Place) -> None:
    server.sql("postgres", "CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)")
    take(place, databases=["postgres"])
    server.sql("postgres", "DROP TABLE kept")
    done = restoring.restore(place.open(databases=["postgres"]), Request("postgres", confirm="postgres"))
    try:
        assert server.sql("postgres", "SELECT a FROM kept") == "1"
    finally:
        server.sql("postgres", f"DROP TABLE kept; DROP DATABASE {done.set_aside}")
