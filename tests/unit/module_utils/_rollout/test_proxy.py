# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxies are told, and which part of Caddy's configuration is ours."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandFailed, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.caddy_admin import Loaded, UnreachableError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.caddy_checks import Loadings
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy import (
    ProxySetting,
    addresses,
    caddy_text,
    nginx_text,
    possible,
    settled,
    upstreams_in,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy_caddy import CaddyProxy
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy_nginx import NginxProxy
from ansible_collections.keelson.ops.plugins.module_utils._rollout.proxy_options import proxies_from
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Binding, Container
from ansible_collections.keelson.ops.plugins.module_utils._rollout.sockets import Connected

from tests.unit.module_utils._rollout.test_reading import project
from tests.unit.module_utils._rollout.world import World, files

ENTRY = {"type": "nginx", "service": "web", "port": 8000}
OURS = ("127.0.0.1:8001", "127.0.0.1:8002")


def reverse_proxy(*dials: str, **facts: Any) -> dict[str, Any]:
    return {"handler": "reverse_proxy", "upstreams": [{"dial": dial} for dial in dials], **facts}


def config(*handlers: dict[str, Any]) -> dict[str, Any]:
    inner = {"handler": "subroute", "routes": [{"handle": list(handlers)}]}
    return {"apps": {"http": {"servers": {"srv0": {"routes": [{"handle": [inner]}]}}}}}


class FakeAdmin:
    """Caddy's endpoint with a configuration; others change it ``disturbed`` times just before we do."""

    def __init__(self, loaded: Any) -> None:
        self.config = loaded
        self.disturbed = 0
        self.reachable = True
        self.refuses = False
        self.checks = 0

    def load(self) -> Loaded:
        if not self.reachable:
            raise UnreachableError("proxy: admin http://localhost:2019: Caddy does not answer")
        return Loaded(self.config, "etag")

    def replace(self, loaded: Loaded, config: Any) -> bool:
        if self.refuses:
            raise OpsError("refused")
        if self.disturbed:
            self.disturbed -= 1
            return False
        self.config = config
        return True

    def checking(self) -> bool:
        self.checks -= 1
        return self.checks >= 0


class FakeRunner:
    """Remembers commands; ``fails`` is what one of them says on standard error, ``then`` what one of them does."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.fails = ""
        self.then: dict[tuple[str, ...], Callable[[], None]] = {}

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        self.commands.append(command.argv)
        if self.fails:
            raise CommandFailed(command, "exit code 1", 1, self.fails)
        self.then.get(command.argv, lambda: None)()
        return CommandResult(command, 0, "", "", 0.0)


def caddy(admin: FakeAdmin, connected: Connected = lambda _ports: frozenset(), **facts: Any) -> CaddyProxy:
    setting = proxies_from([{**ENTRY, "type": "caddy", **facts}], "shop")[0]
    loadings = Loadings(setting.admin, Path("/dev/null/nowhere"))
    return CaddyProxy(setting, "shop", admin, FakeRunner(), World({}), loadings=loadings, connected=connected)


def test_files_say_what_they_are_read_back_to() -> None:
    setting = proxies_from([{**ENTRY, "directives": ["least_conn", "keepalive 16;"]}], "shop")[0]
    assert setting.file == Path("/etc/nginx/conf.d/keelson-shop-web.conf")
    text = nginx_text(setting, "shop", OURS, (*OURS, "127.0.0.1:8010", "127.0.0.1:8003"))
    assert text.splitlines()[1:] == [
        "upstream shop_web {",
        "    least_conn;",
        "    keepalive 16;",
        "    server 127.0.0.1:8001;",
        "    server 127.0.0.1:8002;",
        "    server 127.0.0.1:8003 backup;",
        "    server 127.0.0.1:8010 backup;",
        "}",
    ]
    assert upstreams_in(text) == upstreams_in(caddy_text(setting, "shop", OURS)) == OURS
    assert upstreams_in(nginx_text(setting, "shop", (), OURS)) == upstreams_in(caddy_text(setting, "shop", ())) == ()


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ({}, ["server 127.0.0.1:8001 max_fails=0;", "server 127.0.0.1:8002 backup;"]),
        ({"directives": ["ip_hash"]}, ["ip_hash;", "server 127.0.0.1:8001;"]),
        ({"directives": ["hash $request_uri;"]}, ["hash $request_uri;", "server 127.0.0.1:8001;"]),
        ({"address": "container"}, ["server 127.0.0.1:8001;"]),
    ],
)
def test_one_upstream_of_nginx_is_never_left_out(facts: dict[str, Any], lines: list[str]) -> None:
    setting = proxies_from([{**ENTRY, **facts}], "shop")[0]
    text = nginx_text(setting, "shop", OURS[:1], OURS)
    assert [line.strip() for line in text.splitlines()[2:-1]] == lines


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"admin": "http://localhost:2019"}, "admin makes no sense for type nginx"),
        ({"directives": ["server 1.2.3.4; }"]}, "not one plain directive"),
        ({"name": "a b"}, "is no name of an upstream"),
        ({"type": "caddy", "name": "x"}, "name makes no sense for type caddy"),
        ({"type": "caddy", "admin": "localhost:2019"}, "neither http://host:port nor unix"),
        ({"type": "caddy", "address": "container"}, "name the file"),
    ],
)
def test_options_that_make_no_sense(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError, match=message):
        proxies_from([{**ENTRY, **facts}], "shop")


def test_where_containers_are_reached() -> None:
    ports = [{"published": "8001-8004", "target": 8000}, {"published": "9000-9003", "target": 9000, "host_ip": "::1"}]
    service = project(files(ports=ports)).services["web"]
    bindings = (Binding(9000, "::1", 9002), Binding(8000, "0.0.0.0", 8003), Binding(8000, "::", 8003))  # noqa: S104
    container = Container("c", "web-1", "web", 1, "h", "i", "running", address="172.18.0.2", bindings=bindings)
    published, inside, six = proxies_from(
        [ENTRY, {**ENTRY, "address": "container", "file": "/a"}, {**ENTRY, "port": 9000, "file": "/b"}], "shop"
    )
    assert addresses(published, [container]) == ("127.0.0.1:8003",)
    assert addresses(inside, [container]) == settled(inside, service, [container]) == ("172.18.0.2:8000",)
    assert addresses(six, [container]) == ("[::1]:9002",)
    every = tuple(f"127.0.0.1:{port}" for port in range(8001, 8005))
    assert possible(published, service) == every
    assert (settled(published, service, []), settled(published, service, [container])) == ((), every[2:3])
    by_address = proxies_from([{**ENTRY, "directives": ["ip_hash"]}], "shop")[0]
    assert settled(by_address, service, [container]) == every


def test_caddys_other_handlers_and_other_settings_stay() -> None:
    other = reverse_proxy("127.0.0.1:9001", "127.0.0.1:8001")
    limited = {"dial": OURS[0], "max_requests": 5}
    admin = FakeAdmin(config(other, {**reverse_proxy(), "upstreams": [limited]}, reverse_proxy()))
    proxy = caddy(admin)
    assert proxy.current(OURS) == OURS[:1]
    proxy.route(OURS[1:], OURS, eager=True)
    expected = {**reverse_proxy(), "upstreams": [{"dial": OURS[1], "max_requests": 5}]}
    assert admin.config == config(other, expected, reverse_proxy())
    assert proxy.follows(OURS[1:], OURS)


def test_caddy_should_look_which_ports_are_in_use() -> None:
    active = {"health_checks": {"active": {"uri": "/health"}}}
    assert "health_uri" in str(caddy(FakeAdmin(config(reverse_proxy(*OURS)))).check(OURS))
    assert caddy(FakeAdmin(config(reverse_proxy(*OURS, **active)))).check(OURS) is None


def test_caddys_handler_by_id() -> None:
    admin = FakeAdmin(config(reverse_proxy("10.0.0.1:80", **{"@id": "web"}), reverse_proxy(*OURS)))
    caddy(admin, id="web").route(OURS, OURS, eager=True)
    assert admin.config == config(reverse_proxy(*OURS, **{"@id": "web"}), reverse_proxy(*OURS))
    with pytest.raises(OpsError, match="has the @id shop"):
        caddy(admin, id="shop").check(OURS)


def test_caddy_is_waited_for_by_those_who_were_connected_when_it_was_switched() -> None:
    loaded = config(reverse_proxy(*OURS))
    loaded["apps"]["http"]["servers"]["srv0"]["listen"] = [":443", "tcp/0.0.0.0:8080-8081", "udp/:53", "unix//run/c"]
    clients, asked = {"a", "b"}, []

    def connected(ports: Collection[int]) -> frozenset[str]:
        asked.append(set(ports))
        return frozenset(clients)

    proxy = caddy(FakeAdmin(loaded), connected)
    assert proxy.idle() is None
    proxy.route(OURS[:1], OURS, eager=True)
    assert proxy.idle() is False
    clients.add("c")
    clients.remove("a")
    assert proxy.idle() is False
    clients.remove("b")
    assert proxy.idle() is None
    assert asked[-1] == {443, 8080, 8081}


def test_caddys_checks_under_way_are_waited_for() -> None:
    admin = FakeAdmin(config(reverse_proxy(*OURS)))
    admin.checks = 3
    caddy(admin).route(OURS[:1], OURS, eager=True)
    assert admin.checks < 0
    assert admin.config == config(reverse_proxy(*OURS[:1]))


def test_somebody_else_changes_caddy_at_the_same_time(tmp_path: Path) -> None:
    admin = FakeAdmin(config(reverse_proxy(*OURS)))
    admin.disturbed = 2
    proxy = caddy(admin, file=str(tmp_path / "web"))
    proxy.route(OURS[:1], OURS, eager=True)
    assert proxy.current(OURS) == OURS[:1]
    admin.disturbed = 99
    with pytest.raises(OpsError, match="changed by others"):
        proxy.route(OURS[1:], OURS, eager=True)
    assert upstreams_in((tmp_path / "web").read_text()) == OURS[:1]


def test_caddy_that_refuses_or_is_away_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "web"
    admin = FakeAdmin(config(reverse_proxy(*OURS)))
    proxy = caddy(admin, file=str(file))
    admin.refuses = True
    with pytest.raises(OpsError, match="refused"):
        proxy.route(OURS[:1], OURS, eager=True)
    assert not file.exists()
    admin.refuses, admin.reachable = False, False
    with pytest.raises(UnreachableError):
        proxy.route(OURS[:1], OURS, eager=True)
    assert not file.exists()
    proxy.route(OURS[:1], OURS, eager=False)
    assert upstreams_in(file.read_text()) == OURS[:1]


def test_nginx_that_refuses_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    runner = FakeRunner()
    file = tmp_path / "web.conf"
    setting = proxies_from([{**ENTRY, "file": str(file), "pid_file": str(tmp_path / "pid")}], "shop")[0]
    proxy = NginxProxy(setting, "shop", runner, SystemClock(), proc=tmp_path)
    with pytest.raises(OpsError, match="nginx does not run"):
        proxy.route(OURS, OURS, eager=True)
    proxy.route(OURS, OURS, eager=False)
    assert runner.commands == [("nginx", "-t", "-q")]
    before = file.read_text()
    runner.fails = "[emerg] unknown directive"
    with pytest.raises(OpsError, match=r"put back as it was: .*unknown directive"):
        proxy.route(OURS[:1], OURS, eager=False)
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("command", "told"), [("nginx", [(7, signal.SIGHUP)]), ("docker exec edge nginx", [])], ids=["own", "elsewhere"]
)
def test_nginx_is_told_by_a_signal_or_by_the_command_given(
    tmp_path: Path, command: str, told: list[tuple[int, int]]
) -> None:
    runner, signals = FakeRunner(), []
    (tmp_path / "pid").write_text("7\n", encoding="ascii")
    process(tmp_path, 7, 1, "nginx: master process /usr/sbin/nginx")
    process(tmp_path, 8, 7, "nginx: worker process")

    def reloaded(pid: int, number: int) -> None:
        signals.append((pid, number))
        anew()

    def anew() -> None:
        process(tmp_path, 8, 7, "nginx: worker process is shutting down")
        process(tmp_path, 9, 7, "nginx: worker process")

    runner.then[("docker", "exec", "edge", "nginx", "-s", "reload")] = anew
    options = {**ENTRY, "file": str(tmp_path / "web.conf"), "pid_file": str(tmp_path / "pid"), "command": command}
    proxy = NginxProxy(proxies_from([options], "shop")[0], "shop", runner, SystemClock(), proc=tmp_path, kill=reloaded)
    proxy.route(OURS, OURS, eager=True)
    assert signals == told
    assert ((*command.split(), "-s", "reload") in runner.commands) is not bool(told)
    assert proxy.idle() is False


def test_the_number_in_the_pid_file_may_be_somebody_elses_by_now(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("7\n", encoding="ascii")
    process(tmp_path, 7, 1, "sshd: operator")
    setting = proxies_from([{**ENTRY, "pid_file": str(tmp_path / "pid")}], "shop")[0]
    with pytest.raises(OpsError, match="nginx does not run"):
        NginxProxy(setting, "shop", FakeRunner(), SystemClock(), proc=tmp_path).check(OURS)


def process(proc: Path, pid: int, parent: int, title: str) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (nginx) S {parent} 0 0", encoding="utf-8")
    (proc / str(pid) / "cmdline").write_bytes(title.encode() + b"\0")


def test_defaults() -> None:
    assert proxies_from([{**ENTRY, "type": "caddy", "file": None, "directives": []}], "shop") == (
        ProxySetting("caddy", "web", 8000, name="shop_web"),
    )
