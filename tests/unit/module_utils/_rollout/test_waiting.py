# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for containers by the health engine, on the real clock but for moments."""

from __future__ import annotations

import itertools
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._rollout.health_test import HealthTest, Pace
from ansible_collections.keelson.ops.plugins.module_utils._rollout.readiness import NotReadyError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Binding, Container
from ansible_collections.keelson.ops.plugins.module_utils._rollout.sock_diag import tcp_sockets
from ansible_collections.keelson.ops.plugins.module_utils._rollout.sockets import LISTEN, connected, listening
from ansible_collections.keelson.ops.plugins.module_utils._rollout.waiting import HealthChecker

from tests.unit.module_utils._rollout.world import World, files

WEB = Container("c", "web-1", "web", 1, "h", "i", "running", health="healthy", address="127.0.0.1")


class Story(World):
    """A container that is seen in one state after the other; the last one stays."""

    def tell(self, *states: Container | None) -> HealthChecker:
        self.states = list(states)
        return HealthChecker(self, SystemClock(), SubprocessRunner())

    def container(self, container_id: str) -> Container | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def wait(checker: HealthChecker, *checks: dict[str, object], timeout: float = 0.5) -> None:
    checker.wait([WEB], checks, timeout=timeout, stable_for=3)


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_ready_after_a_moment() -> None:
    wait(Story(files()).tell(replace(WEB, health="starting"), WEB))


class Asked(World):
    """Health checks that are noted with their moments, run for ``lasting`` seconds and pass once somebody listens."""

    def __init__(self, lasting: float, heard: dict[float, str]) -> None:
        super().__init__(files())
        self.lasting, self.heard, self.begun = lasting, heard, []

    def listening(self, pid: int) -> frozenset[str]:
        return frozenset(address for since, address in self.heard.items() if self.seconds >= since)

    def begin_health_test(self, container_id: str) -> str | None:
        self.begun.append(self.seconds)
        return container_id

    def health_test(self, test: str) -> bool | None:
        done = self.seconds - self.begun[-1] >= self.lasting
        return bool(self.heard) and self.begun[-1] >= max(self.heard) if done else None


PUBLISHING = replace(WEB, bindings=(Binding(80, "", 8080),))


@pytest.mark.parametrize(
    ("container", "heard", "begun"),
    [
        (WEB, {2.0: "any:80"}, [0.375, 1.625, 2.0]),
        (WEB, {0.0: "any:80", 1.0: "any:81"}, [0.0, 0.625, 1.0]),
        (WEB, {}, [0.3, 1.7, 3.1]),
        (PUBLISHING, {2.0: "any:80"}, [2.0]),
        (PUBLISHING, {}, []),
    ],
)
def test_the_health_check_is_asked_when_somebody_begins_to_listen_and_seldom_before(
    container: Container, heard: dict[float, str], begun: list[float]
) -> None:
    world = Asked(0.25, heard)
    test = HealthTest(world, world, world.listening, Pace())
    passed = False
    while not passed and world.seconds < 3.5:
        passed = test.passes(container)
        world.sleep(0.125)
    assert world.begun == pytest.approx(begun, abs=0.1)
    assert passed == bool(heard)


class Many(World):
    """Containers in which somebody listens from the start; each is ready at its moment.

    A check lasts for ``LASTING`` seconds, longer than anybody looks at it without a pause.
    """

    LASTING = 0.5

    def __init__(self, ready: dict[str, float]) -> None:
        super().__init__(files())
        self.ready = ready
        self.begun: list[tuple[float, str]] = []

    def begin_health_test(self, container_id: str) -> str | None:
        self.begun.append((self.seconds, container_id))
        return f"{len(self.begun) - 1}"

    def health_test(self, test: str) -> bool | None:
        began, container_id = self.begun[int(test)]
        return None if self.seconds - began < self.LASTING else began >= self.ready[container_id]


def test_containers_started_together_are_asked_in_turn_until_one_is_ready_then_soon() -> None:
    world = Many({"a": 2.0, "b": 2.2, "c": 2.3})
    pace = Pace()
    waiting = {name: HealthTest(world, world, lambda _pid: None, pace) for name in world.ready}
    ended: dict[str, float] = {}
    while waiting and world.seconds < 5.0:
        for name in [name for name, test in waiting.items() if test.passes(replace(WEB, id=name))]:
            ended[name] = world.seconds
            del waiting[name]
        world.sleep(0.05)
    first = min(ended.values())
    before = [began for began, _name in world.begun if began < first]
    after = [began for began, _name in world.begun if began >= first]
    assert not waiting
    assert all(later - sooner >= world.LASTING for sooner, later in itertools.pairwise(before))
    assert {name for began, name in world.begun if began < 1.5} == set(world.ready)
    assert after[1] - after[0] < world.LASTING, "the others wait for each other no more"


def test_a_check_that_hangs_keeps_the_others_waiting_for_a_moment_only() -> None:
    pace = Pace()
    assert pace.begin(WEB, 5.0)
    other = replace(WEB, id="d")
    assert not pace.begin(other, 5.9, alone=True)
    assert pace.begin(other, 6.0, alone=True)


def test_who_listens_is_read_from_the_kernel_without_dockers_own_names(tmp_path: Path) -> None:
    assert listening(7, tmp_path) is None
    tables = tmp_path / "7" / "net"
    tables.mkdir(parents=True)
    (tables / "tcp").write_text(
        "  sl  local_address rem_address   st\n"
        "   0: 0B00007F:9C4D 00000000:0000 0A\n"
        "   1: 00000000:1F40 00000000:0000 0A\n"
        "   2: 020011AC:1F40 010011AC:D2F4 01\n"
    )
    assert listening(7, tmp_path) == {"00000000:1F40"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = listening(os.getpid())
        assert heard is not None and f"0100007F:{server.getsockname()[1]:04X}" in heard


@pytest.mark.parametrize(("family", "host", "table"), [("AF_INET", "127.0.0.1", "tcp"), ("AF_INET6", "::1", "tcp6")])
def test_netlink_names_sockets_as_the_kernels_tables_do(family: str, host: str, table: str) -> None:
    own = Path("/proc/self")
    try:
        server = socket.create_server((host, 0), family=socket.AddressFamily[family])
    except OSError:
        pytest.skip(f"no {family} here")
    with server:
        port = f":{server.getsockname()[1]:04X}"
        try:
            told = [pair for pair in tcp_sockets(LISTEN, own / "ns" / "net") if pair[0].endswith(port)]
        except PermissionError:
            pytest.skip("only root enters a network")
        lines = map(str.split, (own / "net" / table).read_text().splitlines()[1:])
        expected = [(words[1], words[2]) for words in lines if words[1].endswith(port)]
        assert expected and set(expected) <= set(told)


def test_who_is_connected_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert connected({80}, tmp_path) == frozenset()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connected({port}) == frozenset()
        with socket.create_connection(("127.0.0.1", port)) as client:
            own = f"0100007F:{client.getsockname()[1]:04X}"
            assert connected({port, 1}) == {f"0100007F:{port:04X} {own}"}


def test_the_health_check_itself_counts_before_docker_has_asked_it() -> None:
    class Tested(Story):
        """Docker goes on saying that it starts."""

        def begin_health_test(self, container_id: str) -> str | None:
            return container_id

        def health_test(self, test: str) -> bool | None:
            return True

    story = Tested(files())
    story.states = [replace(WEB, health="starting")]
    wait(HealthChecker(story, SystemClock(), SubprocessRunner(), lambda _pid: frozenset(["any:80"])), timeout=60)


def test_what_docker_calls_unhealthy_is_asked_no_more() -> None:
    with pytest.raises(NotReadyError, match="its health check says unhealthy"):
        wait(Story(files()).tell(replace(WEB, health="starting"), replace(WEB, health="unhealthy")), timeout=60)


def test_the_timeout_is_named_with_what_it_waits_for() -> None:
    with pytest.raises(NotReadyError, match=r"web-1 is not ready after 0.5 s \(option wait_timeout\): state created"):
        wait(Story(files()).tell(replace(WEB, status="created", health=None)))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (replace(WEB, health="unhealthy"), "container web-1 failed: its health check says unhealthy"),
        (replace(WEB, status="exited", exit_code=3), "container web-1 failed: it exited with code 3"),
        (None, "container web-1 failed: it was removed by someone else"),
    ],
)
def test_what_fails_is_not_waited_for(state: Container | None, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotReadyError, match=reason) as failure:
        wait(Story(files()).tell(state), timeout=60)
    assert failure.value.container == "c"
    assert time.monotonic() - began < 30


def test_a_check_ends_with_its_container() -> None:
    check = {"tcp": {"host": "{address}", "port": closed_port()}}
    began = time.monotonic()
    with pytest.raises(NotReadyError, match="failed: it exited with code 1"):
        wait(Story(files()).tell(WEB, WEB, WEB, replace(WEB, status="exited", exit_code=1)), check, timeout=60)
    assert time.monotonic() - began < 30


def test_a_check_that_stays_unhealthy_is_named() -> None:
    check = {"name": "door", "tcp": {"host": "{address}", "port": closed_port()}}
    with pytest.raises(NotReadyError, match=r"web-1 is not ready after 0.5 s .* door is not healthy: .*refused"):
        wait(Story(files()).tell(WEB), check)


def test_checks_are_met() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        wait(Story(files()).tell(WEB), {"tcp": {"host": "{address}", "port": server.getsockname()[1]}}, timeout=10)


def test_what_runs_once() -> None:
    checker = Story(files()).tell(WEB, replace(WEB, status="exited", exit_code=0))
    checker.wait_completed(WEB, timeout=10)
    with pytest.raises(NotReadyError, match="container web-1 exited with code 2"):
        Story(files()).tell(replace(WEB, status="exited", exit_code=2)).wait_completed(WEB, timeout=10)
    with pytest.raises(NotReadyError, match=r"has not completed after 0\.3 s"):
        Story(files()).tell(WEB).wait_completed(WEB, timeout=0.3)
