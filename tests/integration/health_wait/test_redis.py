# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redis with users, TLS and a replica."""

from __future__ import annotations

import pytest
from docker.models.containers import Container

from lab.images import service_image

from .conftest import Authority, Start, address, error_of, wait

SECRET = "correct-horse-battery-staple"
NAME = "redis.keelson.test"
USERS = f"""\
user default on >{SECRET} ~* &* +@all
user shop on >{SECRET}-shop ~* +@all
user bare on >{SECRET}-bare +ping
user open on nopass +ping +acl|whoami
user off off >{SECRET}-off +@all
"""


@pytest.fixture(scope="module")
def server(start_once: Start, authority: Authority) -> Container:
    certificate, key = authority.issue(NAME)
    tls = ["--tls-port", "6380", "--tls-auth-clients", "no", "--tls-cert-file", "/etc/redis/redis.pem"]
    tls += ["--tls-key-file", "/etc/redis/redis.key"]
    return start_once(
        service_image("redis"),
        ["redis-server", "/etc/redis/base.conf", "--aclfile", "/etc/redis/users.acl", *tls],
        files={
            "/etc/redis/users.acl": USERS.encode(),
            "/etc/redis/redis.pem": certificate.read_bytes(),
            "/etc/redis/redis.key": key.read_bytes(),
        },
    )


@pytest.fixture
def host(server: Container) -> str:
    return address(server)


def test_the_default_user_and_another_are_verified(host: str) -> None:
    report = wait(
        {"redis": {"host": host, "password": SECRET}},
        {"redis": {"host": host, "username": "shop", "password": f"{SECRET}-shop", "role": "master"}},
    )
    assert report.ok, report.message
    assert [check.timeline[-1].words for check in report.checks] == ["PONG as default", "PONG as shop, master"]


def test_a_user_that_may_not_ask_who_it_is_is_known_by_its_login(host: str) -> None:
    assert wait({"redis": {"host": host, "username": "bare", "password": f"{SECRET}-bare"}}).ok


def test_a_user_without_password(host: str) -> None:
    assert wait({"redis": {"host": host, "username": "open"}}).ok


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "answers NOAUTH Authentication required."),
        ({"password": "wrong-password"}, "answers WRONGPASS invalid username-password pair or user is disabled."),
        ({"username": "off", "password": f"{SECRET}-off"}, "answers WRONGPASS"),
        ({"password": SECRET, "role": "replica"}, "is master, expected replica"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(host: str, options: dict[str, str], words: str) -> None:
    report = wait({"redis": {"host": host, **options}}, timeout=2)
    assert not report.ok
    assert report.checks[0].error.startswith(words)
    assert SECRET not in repr(report)
    assert "wrong-password" not in repr(report)


def test_tls_with_a_ca_of_ones_own(host: str, authority: Authority) -> None:
    options = {"host": host, "port": 6380, "password": SECRET, "tls": True, "ca_file": str(authority.ca_file)}
    assert wait({"redis": {**options, "server_name": NAME}}).ok
    assert "IP address mismatch" in error_of({"redis": options})
    assert not wait({"redis": {"host": host, "port": 6380, "password": SECRET}}, timeout=1).ok


def test_a_replica_is_told_from_a_master(host: str, start: Start) -> None:
    replica = start(
        service_image("redis"),
        ["redis-server", "/etc/redis/base.conf", "--protected-mode", "no", "--replicaof", host, "6379"],
    )
    there = {"host": address(replica), "role": "replica"}
    report = wait({"redis": there})
    assert report.ok, report.message
    assert report.checks[0].timeline[-1].words == "PONG as default, replica"
    assert error_of({"redis": {**there, "role": "master"}}) == "is replica, expected master"


def test_a_stopped_server_is_seen_and_its_return_too(server: Container, host: str) -> None:
    check = {"redis": {"host": host, "password": SECRET}}
    server.pause()
    try:
        report = wait(check, timeout=2, probe_timeout=0.5)
    finally:
        server.unpause()
    assert not report.ok
    assert report.checks[0].error == "no answer within 0.5 s"
    assert wait(check).ok
