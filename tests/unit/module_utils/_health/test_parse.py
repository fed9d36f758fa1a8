# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options become checks and a policy; what is wrong is named by its path."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._health.connection import Endpoint
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds.http import HttpTarget, harmless_values
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds.postgres import PostgresTarget
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds.redis import RedisTarget
from ansible_collections.keelson.ops.plugins.module_utils._health.parse import parse_checks, parse_policy
from ansible_collections.keelson.ops.plugins.module_utils._health.spec import Check, Policy

URL = "http://127.0.0.1:8000/health"
SECRET = "correct-horse-battery"


def parse(*entries: Any, **policy: Any) -> tuple[Check, ...]:
    return parse_checks(entries, parse_policy(policy, len(entries)))


def complaint(*entries: Any, **policy: Any) -> str:
    with pytest.raises(OpsError) as caught:
        parse(*entries, **policy)
    return caught.value.message


def test_each_kind_is_read_with_its_defaults() -> None:
    checks = parse(
        {"http": {"url": URL}},
        {"tcp": {"port": 22, "greeting": "^SSH"}},
        {"unix": {"path": "/run/x.sock"}},
        {"tls": {"host": "shop.example.com", "days_left": 14}},
        {"docker": {"project": "shop", "service": "backend", "replicas": 2}},
        {"postgres": {"host": "db1", "database": "shop"}},
        {"redis": {"username": "shop", "password": SECRET}},
        {"systemd": {"unit": "caddy"}},
        {"command": {"argv": ["pg_isready", "-q"]}},
    )
    assert [check.name for check in checks] == [
        f"http {URL}",
        "tcp 127.0.0.1:22",
        "unix /run/x.sock",
        "tls shop.example.com:443",
        "docker shop/backend",
        "postgres postgres@db1:5432/shop",
        "redis shop@127.0.0.1:6379",
        "systemd caddy.service",
        "command pg_isready -q",
    ]


def test_a_check_inherits_the_times_it_does_not_give() -> None:
    policy = parse_policy({"timeout": 30, "interval": 2, "successes": 3}, 1)
    (check,) = parse_checks([{"tcp": {"port": 1}, "timeout": 10, "successes": 1}], policy)
    demand = policy.demand(check)
    assert (demand.timeout, demand.interval, demand.successes, demand.probe_timeout) == (10, 2, 1, 5)


@pytest.mark.parametrize(("require", "needed"), [("all", 3), ("any", 1), ("2", 2), (2, 2)])
def test_how_many_are_needed(require: object, needed: int) -> None:
    assert parse_policy({"require": require}, 3).needed(3) == needed


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, "checks[0]: needs exactly one of http, tcp"),
        ({"tcp": {"port": 1}, "unix": {"path": "/x"}}, "there is tcp and unix"),
        ("http", "checks[0]: must be a mapping of options, not text"),
        ({"https": {}}, "checks[0].https: no such option"),
        ({"tcp": {}}, "checks[0].tcp.port: is required"),
        ({"tcp": {"port": "ssh"}}, "checks[0].tcp.port: must be a whole number, not text"),
        ({"tcp": {"port": 70000}}, "checks[0].tcp.port: must be a port number from 1 to 65535, not 70000"),
        ({"tcp": {"port": 1, "greeting": "("}}, "checks[0].tcp.greeting: not a regular expression"),
        ({"unix": {"path": "run/x"}}, "checks[0].unix.path: must be absolute"),
        ({"http": {"url": "shop.example.com"}}, "checks[0].http.url: must be an http:// or https:// URL"),
        ({"http": {"url": "http://x/\r\nHost: y"}}, "checks[0].http.url: must be"),
        ({"http": {"url": "http://x:99999/"}}, "checks[0].http.url: must be"),
        ({"http": {"url": URL, "status": [99]}}, "checks[0].http.status[0]: must be from 200 to 599, not 99"),
        ({"http": {"url": URL, "method": "G T"}}, "checks[0].http.method: not an HTTP method"),
        ({"http": {"url": URL, "json": ["a = b"]}}, "checks[0].http.json[0]: not an assertion: 'a = b'"),
        ({"http": {"url": URL, "json": ["a < b"]}}, "checks[0].http.json[0]: < compares numbers"),
        ({"http": {"url": URL, "username": "x"}}, "checks[0].http: username and password"),
        ({"http": {"url": URL, "response_headers": {"ETag": "["}}}, "checks[0].http.response_headers.ETag: not a reg"),
        ({"docker": {}}, "checks[0].docker: needs either container, or both project and service"),
        ({"docker": {"project": "shop"}}, "checks[0].docker: needs either container"),
        ({"docker": {"container": "x", "service": "y"}}, "checks[0].docker: needs either container"),
        ({"docker": {"container": "x", "replicas": 0}}, "checks[0].docker.replicas: must be at least 1, not 0"),
        ({"docker": {"container": "x", "health": "no"}}, "checks[0].docker.health: must be one of auto, required"),
        ({"docker": {"container": "x", "fail_fast": ["x"]}}, "checks[0].docker.fail_fast[0]: must be one of exited"),
        ({"systemd": {"unit": "--all"}}, "checks[0].systemd.unit: not a unit name"),
        ({"command": {"argv": []}}, "checks[0].command.argv: must name a program"),
        ({"tls": {"host": "x", "days_left": -1}}, "checks[0].tls.days_left: must be at least 0"),
        ({"tcp": {"port": 1}, "successes": 0}, "checks[0].successes: must be at least 1"),
        ({"tcp": {"port": 1}, "timeout": 900}, "checks[0].timeout: 900 s is longer than the timeout of all (120 s)"),
        ({"tcp": {"port": 1}, "timeout": 5, "stable_for": 9}, "checks[0]: stable_for (9 s) does not fit into timeout"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(entry: object, expected: str) -> None:
    assert expected in complaint(entry)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"timeout": 0}, "timeout: must be at least 0.1"),
        ({"interval": 0.001}, "interval: must be at least 0.05"),
        ({"require": "most"}, "require: must be all, any or a number from 1 to 1, not most"),
        ({"require": "2"}, "require: must be all, any or a number from 1 to 1, not 2"),
        ({"stable_for": 500}, "checks[0]: stable_for (500 s) does not fit into timeout (120 s)"),
    ],
)
def test_what_is_wrong_with_the_policy_is_named(policy: dict[str, object], expected: str) -> None:
    assert complaint({"tcp": {"port": 1}}, **policy).startswith(expected)


def test_no_checks_and_checks_of_one_name_are_refused() -> None:
    with pytest.raises(OpsError, match="checks: holds no check"):
        parse_checks([], Policy())
    assert "checks[1].name: 'tcp 127.0.0.1:1' is also the name of checks[0]" in complaint(
        {"tcp": {"port": 1}}, {"tcp": {"port": 1}}
    )


def test_text_from_templates_is_converted() -> None:
    (check,) = parse({"tcp": {"port": "5432"}, "timeout": "10", "successes": "2"})
    assert (check.timeout, check.successes, str(check.target)) == (10.0, 2, "127.0.0.1:5432")


def test_secrets_do_not_show_in_any_form_of_a_check() -> None:
    checks = parse(
        {"http": {"url": URL, "headers": {"Authorization": f"Bearer {SECRET}"}, "body": SECRET + "-body"}},
        {"redis": {"password": SECRET}},
        {"postgres": {"password": SECRET}},
    )
    assert SECRET not in repr(checks) + str(checks)
    assert all(SECRET in check.target.secrets for check in checks)


def test_basic_authentication_is_a_secret_header() -> None:
    (check,) = parse({"http": {"url": URL, "username": "u", "password": SECRET}})
    assert isinstance(check.target, HttpTarget)
    assert check.target.all_headers == {"Authorization": "Basic dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="}
    assert "dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=" in check.target.secrets
    assert SECRET in check.target.secrets


def test_a_password_in_a_url_is_refused_without_being_repeated() -> None:
    message = complaint({"http": {"url": f"http://admin:{SECRET}@127.0.0.1/"}})
    assert "use the options username and password" in message
    assert SECRET not in message


def test_header_values_that_cannot_be_secret_are_not_taken_for_one() -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Debug": "1", "X-Token": SECRET}
    (check,) = parse({"http": {"url": URL, "headers": headers}})
    assert set(check.target.secrets) == {SECRET, ""}
    assert harmless_values([check.target]) == {"https", "1"}


def test_a_harmless_header_value_that_is_a_password_elsewhere_stays_secret() -> None:
    checks = parse(
        {"http": {"url": URL, "headers": {"X-Forwarded-Proto": "https"}}},
        {"redis": {"password": "https"}},
    )
    assert "https" not in harmless_values(check.target for check in checks)


def test_redis_by_unix_socket_and_postgres_by_directory() -> None:
    redis, postgres = parse({"redis": {"path": "/run/redis.sock"}}, {"postgres": {"host": "/run/postgresql"}})
    assert isinstance(redis.target, RedisTarget)
    assert isinstance(postgres.target, PostgresTarget)
    assert redis.target.endpoint == Endpoint(path="/run/redis.sock")
    assert str(postgres.target) == "postgres@/run/postgresql:5432/postgres"
