# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: alternating logins without a failed one, the single login's gap, and a log that holds no secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import Target
from docker.models.containers import Container

from lab.images import service_image

from .conftest import ADMIN_PASSWORD, Start, address, eventually, target

LOGINS_PER_SECOND = 20


@pytest.fixture(scope="module")
def server(start: Start) -> Container:
    container = start(
        service_image("postgres"),
        ["postgres", "-c", "log_statement=all", "-c", "log_min_duration_statement=0", "-c", "log_connections=on"],
        environment={"POSTGRES_PASSWORD": ADMIN_PASSWORD},
    )
    eventually(lambda: sql(container, "SELECT 1"))
    return container


def connect(server: Container, user: str, password: str) -> Any:
    return psycopg2.connect(host=address(server), user=user, password=password, dbname="postgres", connect_timeout=10)


def sql(server: Container, *statements: str, user: str = "postgres", password: str = ADMIN_PASSWORD) -> Any:
    """The rows of the last statement."""
    with closing(connect(server, user, password)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def role(server: Container, request: pytest.FixtureRequest) -> Iterator[str]:
    """A role that owns a schema of its name; it and its logins are gone afterwards."""
    name = f"app{abs(hash(request.node.name)) % 10**8}"
    sql(server, f"CREATE ROLE {name} LOGIN PASSWORD 'first-password'", f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    yield name
    sql(server, f"DROP SCHEMA {name} CASCADE", *(f"DROP ROLE IF EXISTS {one}" for one in (f"{name}_1", f"{name}_2")))
    sql(server, f"DROP ROLE {name}")


def alternating(server: Container, role: str, **options: Any) -> Target:
    admin = {"login_user": "postgres", "login_password": ADMIN_PASSWORD}
    return target(type="postgres", login_host=address(server), username=role, **(admin | options))


def rotated(login: Target, current: Credential | None) -> Credential:
    """One rotation up to the point where the application would take over."""
    candidate = login.propose(current)
    login.set(candidate, current)
    assert login.works(candidate)
    return candidate


def test_both_logins_use_what_the_other_made_and_take_turns(server: Container, role: str) -> None:
    login = alternating(server, role)
    first = rotated(login, None)
    second = rotated(login, first)
    assert [first.attributes["username"], second.attributes["username"]] == [f"{role}_1", f"{role}_2"]
    for one, other in ((first, second), (second, first)):
        table = f"{role}.made_by_{one.attributes['username']}"
        sql(server, f"CREATE TABLE {table} (id int)", user=one.attributes["username"], password=one.value)
        name = other.attributes["username"]
        sql(server, f"ALTER TABLE {table} ADD note text", f"TABLE {table}", user=name,
            password=other.value)  # fmt: skip
    assert login.works(first), "the old login works until it is revoked"
    login.revoke(first, second)
    assert (login.works(first), login.works(second)) == (False, True)
    third = rotated(login, second)
    assert third.attributes["username"] == first.attributes["username"]


def test_an_application_that_logs_in_as_the_role_itself_moves_to_alternating(server: Container, role: str) -> None:
    login = alternating(server, role)
    before = Credential("first-password", {"username": role})
    assert login.works(before)
    after = rotated(login, before)
    assert login.works(before)
    login.revoke(before, after)
    assert (login.works(before), login.works(after)) == (False, True)


def test_a_store_that_keeps_no_user_names_is_enough(server: Container, role: str) -> None:
    login = alternating(server, role)
    first = Credential(rotated(login, None).value)
    second = Credential(rotated(login, first).value)
    login.revoke(first, second)
    assert (login.works(first), login.works(second)) == (False, True)


def test_revoking_ends_the_sessions_of_the_old_login(server: Container, role: str) -> None:
    login = alternating(server, role)
    first = rotated(login, None)
    second = rotated(login, first)
    with closing(connect(server, first.attributes["username"], first.value)) as session:
        login.revoke(first, second)
        with pytest.raises(psycopg2.OperationalError), session.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_a_candidate_that_is_given_up_is_locked_out(server: Container, role: str) -> None:
    login = alternating(server, role)
    first = rotated(login, None)
    second = rotated(login, first)
    login.revoke(second, first)
    assert (login.works(first), login.works(second)) == (True, False)


def test_an_administrator_needs_no_superuser(server: Container, role: str) -> None:
    sql(server, "CREATE ROLE rotator LOGIN CREATEROLE PASSWORD 'of-the-rotator' IN ROLE pg_signal_backend")
    sql(server, f"GRANT {role} TO rotator WITH ADMIN OPTION")
    login = alternating(server, role, login_user="rotator", login_password="of-the-rotator")
    first = rotated(login, None)
    second = rotated(login, first)
    with closing(connect(server, first.attributes["username"], first.value)) as session:
        login.revoke(first, second)
        with pytest.raises(psycopg2.OperationalError), session.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert (login.works(first), login.works(second)) == (False, True)
    third = rotated(login, second)
    assert login.works(third)


@contextmanager
def logging_in(server: Container, credentials: list[Credential]) -> Iterator[dict[str, Any]]:
    """Logs in at a steady pace with whatever is last in ``credentials``; counts, and times the failures."""
    seen: dict[str, Any] = {"total": 0, "failed": []}
    over = threading.Event()
    host = address(server)

    def loop() -> None:
        while not over.wait(1 / LOGINS_PER_SECOND):
            now = credentials[-1]
            seen["total"] += 1
            try:
                psycopg2.connect(
                    host=host, user=now.attributes["username"], password=now.value, dbname="postgres"
                ).close()
            except psycopg2.OperationalError:
                seen["failed"].append(time.monotonic())

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def wait_for_logins(seen: dict[str, Any], count: int) -> None:
    wanted = seen["total"] + count
    deadline = time.monotonic() + 60
    while seen["total"] < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_login_fails_while_the_application_reloads_late(server: Container, role: str) -> None:
    login = alternating(server, role)
    application = [rotated(login, None)]
    with logging_in(server, application) as seen:
        for _rotation in range(2):
            old = application[-1]
            new = rotated(login, old)
            wait_for_logins(seen, LOGINS_PER_SECOND)  # a second late
            application.append(new)
            wait_for_logins(seen, 5)
            login.revoke(old, new)
            wait_for_logins(seen, 5)
    assert seen["failed"] == []
    assert seen["total"] > 2 * LOGINS_PER_SECOND


def test_single_fails_until_the_application_has_reloaded(server: Container, role: str) -> None:
    login = alternating(server, role, strategy="single")
    application = [Credential("first-password", {"username": role})]
    assert not login.overlaps
    with logging_in(server, application) as seen:
        wait_for_logins(seen, 5)
        new = rotated(login, application[-1])
        wait_for_logins(seen, LOGINS_PER_SECOND // 2)
        failed_meanwhile = len(seen["failed"])
        application.append(new)
        wait_for_logins(seen, 2)
        failed = len(seen["failed"])
        wait_for_logins(seen, 5)
    assert failed_meanwhile > 0
    assert len(seen["failed"]) == failed, "the gap ends with the reload"


def test_single_without_administrator_changes_its_own_password(server: Container, role: str) -> None:
    login = alternating(server, role, strategy="single", login_user=None, login_password=None)
    before = Credential("first-password", {"username": role})
    after = rotated(login, before)
    assert not login.works(before)
    login.revoke(before, after)
    assert login.works(after)


def test_the_log_of_every_statement_holds_neither_password_nor_verifier(server: Container, role: str) -> None:
    before = len(server.logs())
    login = alternating(server, role)
    first = rotated(login, None)
    second = rotated(login, first)
    login.revoke(first, second)
    rotated(alternating(server, role, strategy="single"), Credential("first-password", {"username": role}))
    log = server.logs()[before:].decode()
    assert "connection authorized: user=postgres" in log
    assert "SELECT rolsuper" in log, "it does log statements"
    assert first.value not in log and second.value not in log
    assert "SCRAM-SHA-256$" not in log


def test_only_a_verifier_reaches_the_server(server: Container, role: str) -> None:
    login = alternating(server, role)
    made = rotated(login, None)
    ((stored,),) = sql(server, "SELECT rolpassword FROM pg_authid ORDER BY oid DESC LIMIT 1")
    assert stored.startswith("SCRAM-SHA-256$4096:")
    with closing(connect(server, f"{role}_1", made.value)) as connection:
        assert connection.info.used_password


def test_roles_of_others_are_left_alone(server: Container, role: str) -> None:
    with pytest.raises(OpsError, match="is no member of"):
        alternating(server, role, usernames=[f"{role}_1", "pg_monitor"]).set(
            Credential("x" * 40, {"username": "pg_monitor"}), None
        )
    sql(server, f"CREATE ROLE {role}_2 SUPERUSER")
    with pytest.raises(OpsError, match="superuser"):
        alternating(server, role).set(Credential("x" * 40, {"username": f"{role}_2"}), None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"username": "nobody_has_this"}, "the role nobody_has_this does not exist"),
        ({"login_password": "wrong-password"}, "secrets[0].target.login_user: PostgreSQL"),
        ({"login_port": 1}, "Connection refused"),
    ],
)
def test_errors_name_the_option_and_no_password(
    server: Container, role: str, options: dict[str, Any], words: str
) -> None:
    options = dict(options)
    login = alternating(server, options.pop("username", role), **options)
    candidate = login.propose(None)
    with pytest.raises(OpsError) as raised:
        login.set(candidate, None)
    assert words in raised.value.message
    assert candidate.value not in raised.value.message and "wrong-password" not in raised.value.message


def test_unreachable_is_not_the_same_as_refused(server: Container, role: str) -> None:
    credential = Credential("some-password", {"username": role})
    assert alternating(server, role).works(credential) is False
    with pytest.raises(OpsError, match="Connection refused"):
        alternating(server, role, login_port=1).works(credential)
