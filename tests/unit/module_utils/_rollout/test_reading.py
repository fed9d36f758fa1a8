# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure readings: the project, strategies, states, arguments, releases, what may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.command import (
    Command,
    CommandFailed,
    CommandResult,
    SubprocessRunner,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.checks import validate
from ansible_collections.keelson.ops.plugins.module_utils._rollout.compose import (
    Compose,
    create_arguments,
    start_arguments,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.confidential import Confidential, DiscreetRunner
from ansible_collections.keelson.ops.plugins.module_utils._rollout.disclosure import masked, secrets_of, shortened
from ansible_collections.keelson.ops.plugins.module_utils._rollout.engine import (
    health_command,
    split_reference,
    timestamp,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.project import (
    Content,
    PortRange,
    Service,
    in_order,
    read_project,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.readiness import (
    FAILED,
    READY,
    WAITING,
    verdict,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.runtime import Container
from ansible_collections.keelson.ops.plugins.module_utils._rollout.strategy import choose

from tests.unit.module_utils._rollout.world import files


def project(resolved: dict[str, object]):
    names = resolved["services"]
    return read_project(resolved, dict.fromkeys(names, "h"), dict.fromkeys(names, Content()), {"web": 3})


def test_services_come_after_what_they_depend_on() -> None:
    read = project(files())
    assert in_order(read, ()) == ("db", "migrate", "web")
    assert in_order(read, ("web", "db")) == ("db", "web")
    assert read.services["migrate"].once
    assert read.services["web"].replicas == 3


def test_unknown_service_is_named_with_the_known_ones() -> None:
    with pytest.raises(OpsError, match="services: shop not in the project; it has db, migrate, web"):
        in_order(project(files()), ("shop",))


def test_ports() -> None:
    ports = [
        {"published": "8001-8004", "target": 8000, "host_ip": "10.0.0.1"},
        {"published": "9000", "target": 9000},
        {"target": 1},
    ]
    assert project(files(ports=ports)).services["web"].ports == (
        PortRange("10.0.0.1:8001-8004:8000", 4, target=8000, first=8001, host="10.0.0.1"),
        PortRange("9000:9000", 1, target=9000, first=9000),
    )


@pytest.mark.parametrize(
    ("facts", "strategy", "reason"),
    [
        ({}, "rolling", "keeps it from"),
        ({"container_name": "x"}, "recreate", "container_name x"),
        ({"ports": (PortRange("80:80", 1),)}, "recreate", "single host port 80:80"),
        ({"network_mode": "host"}, "recreate", "network_mode host"),
        ({"writable_volumes": ("data",)}, "recreate", "volume data"),
        ({"writable_volumes": ("data",), "replicas": 2}, "rolling", "keeps it from"),
        ({"once": True}, "once", "completed"),
    ],
)
def test_strategy_and_why(facts: dict[str, object], strategy: str, reason: str) -> None:
    chosen = choose(Service("s", "i", **facts), None)
    assert chosen.name == strategy
    assert reason in chosen.reason


def test_rolling_is_refused_with_the_fix() -> None:
    with pytest.raises(OpsError, match="Publish a range with room") as failure:
        choose(Service("s", "i", ports=(PortRange("80:80", 1),)), "rolling")
    assert "or set strategy: recreate" in failure.value.message


@pytest.mark.parametrize(
    ("facts", "state", "reason"),
    [
        ({"health": "healthy", "restart_count": 9}, READY, "healthy"),
        ({"health": "unhealthy"}, FAILED, "unhealthy"),
        ({"health": "starting"}, WAITING, "starting"),
        ({"started": 96.0}, READY, "running for 3 s"),
        ({"started": 99.0}, WAITING, "running"),
        ({"status": "restarting", "restart_count": 3}, FAILED, "over and over"),
        ({"status": "restarting", "restart_count": 1}, WAITING, "restarting"),
        ({"status": "exited", "exit_code": 0}, READY, "completed"),
        ({"status": "exited", "exit_code": 0, "restart_policy": "always"}, FAILED, "code 0"),
        ({"status": "exited", "exit_code": 2}, FAILED, "code 2"),
        ({"status": "exited", "exit_code": 137, "oom_killed": True}, FAILED, "memory"),
    ],
)
def test_verdicts(facts: dict[str, object], state: str, reason: str) -> None:
    judged = verdict(Container("c", "n", "s", 1, "h", "i", **{"status": "running", **facts}), 100.0, 3.0)
    assert judged.state == state
    assert reason in judged.reason


def test_arguments_never_pull_build_or_drop_dependencies() -> None:
    created = create_arguments("web", {"web": 4, "db": 1}, recreate=False)
    assert created == (
        "create", "--no-build", "--pull", "never", "--no-recreate", "--scale", "db=1", "--scale", "web=4", "web",
    )  # fmt: skip
    assert "--no-deps" not in create_arguments("web", {"web": 1}, recreate=True)
    assert "--no-recreate" in start_arguments("web", 4)


@pytest.mark.parametrize(
    ("config", "argv"),
    [
        ({"Healthcheck": {"Test": ["CMD", "curl", "-f", "http://localhost"]}}, ("curl", "-f", "http://localhost")),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "pg_isready || exit 1"]}}, ("/bin/sh", "-c", "pg_isready || exit 1")),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "true"]}, "Shell": ["/bin/bash", "-ec"]}, ("/bin/bash", "-ec", "true")),
        ({"Healthcheck": {"Test": ["NONE"]}}, None),
        ({"Healthcheck": {}}, None),
        ({}, None),
    ],
)
def test_what_docker_runs_as_health_check(config: dict[str, object], argv: tuple[str, ...] | None) -> None:
    assert health_command(config) == argv


def test_references_and_times() -> None:
    assert split_reference("a/b:1") == ("a/b", "1")
    assert split_reference("registry:5000/a") == ("registry:5000/a", "latest")
    assert split_reference("a@sha256:0") == ("a", "sha256:0")
    assert timestamp("1970-01-01T00:00:01.500000000Z") == 1.5
    assert timestamp("0001-01-01T00:00:00Z") == 0.0


def test_secrets_are_masked_wherever_they_are() -> None:
    environment = {"DB_PASSWORD": "pa$$word", "URL": "redis://:topsecret@h", "LEVEL": "debug"}
    found = secrets_of({"services": {"s": {"environment": environment}}}, ["file-secret\n"])
    assert set(found) == {"pa$word", "topsecret", "file-secret"}
    assert masked({"log": ["x topsecret"], "n": 1}, found) == {"log": ["x ********"], "n": 1}


def test_no_half_of_a_secret_is_left_where_output_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2-secret\n")
    confidential = Confidential(["of-the-registry"])
    runner = DiscreetRunner(SubprocessRunner(), confidential)
    confidential.learn({"services": {}, "secrets": {"token": {"file": str(file)}}})
    said = "of-the-registry " + "x" * 1980 + " hunter2-secret"  # its last 2,000 characters begin in the first
    with pytest.raises(CommandFailed) as caught:
        runner.run(Command(("sh", "-c", f"echo '{said}' >&2; exit 1")))
    shown = str(caught.value.facts) + caught.value.message
    assert "registry" not in shown and "hunter2" not in shown and "secret" not in shown
    log = {"health_log": [{"exit_code": 1, "output": "of-the-registry " + "y" * 395}]}
    brief = shortened(confidential.masked({"diagnostics": log, "seconds": 1.0}))
    assert brief["seconds"] == 1.0
    assert brief["diagnostics"]["health_log"] == [{"exit_code": 1, "output": "**** " + "y" * 395}]
    assert shortened({"seconds": 1.0}) == {"seconds": 1.0}


def test_checks_are_refused_before_anything_happens() -> None:
    validate([{"http": {"url": "http://{address}:8000/"}}, {"tcp": {"host": "{address}", "port": 80}}])
    with pytest.raises(OpsError, match=r"http\.password cannot be used here"):
        validate([{"http": {"url": "http://{address}/", "password": "x"}}])
    with pytest.raises(OpsError, match="postgres cannot be used here"):
        validate([{"postgres": {"host": "h"}}])


@pytest.mark.parametrize(
    ("reason", "stderr", "message"),
    [
        ("exit code 125", "unknown flag: --progress", "docker compose is missing on this host"),
        ("cannot be run (No such file or directory: docker)", "", "docker compose is missing on this host"),
        ("exit code 15", "services.web.ports must be a list", "files, env_files.*services.web.ports must be a list"),
    ],
)
def test_what_compose_refuses_is_told(tmp_path: Path, reason: str, stderr: str, message: str) -> None:
    class Refusing:
        def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
            raise CommandFailed(command, reason, 1, stderr)

    with pytest.raises(OpsError, match=message):
        Compose(Refusing(), "p", tmp_path, (tmp_path / "compose.yaml",)).config()


class Printing:
    """A docker compose whose answer to ``config`` is another one each time; what was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        given = (command.stdin() if callable(command.stdin) else command.stdin or b"").decode()
        self.asked.append("hash" if "--hash" in command.argv else "config")
        answer = f'{{"name": "shop{self.asked.count("config")}"}}'
        return CommandResult(command, 0, f"web {given}" if "--hash" in command.argv else answer, "", 0.0)


def test_what_was_begun_to_be_read_is_read_once_and_not_for_another_project() -> None:
    runner = Printing()
    compose = Compose(runner, "shop", Path("/opt/shop"), (Path("/opt/shop/compose.yaml"),))
    compose.begin_reading()
    resolved = compose.config()
    assert resolved == {"name": "shop1"}
    assert compose.hashes(resolved) == {"web": '{"name": "shop1"}'}
    assert runner.asked == ["config", "hash"]
    assert compose.config() == {"name": "shop2"}
    compose.begin_reading()
    assert compose.config() == {"name": "shop3"}
    assert compose.hashes({"name": "other"}) == {"web": '{"name": "other"}'}


def test_what_goes_wrong_while_it_is_read_is_told_by_whoever_asks() -> None:
    class Failing:
        def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
            raise CommandFailed(command, "exit code 1", 1, "no such file")

    compose = Compose(Failing(), "shop", Path("/opt/shop"), (Path("/opt/shop/compose.yaml"),))
    compose.begin_reading()
    with pytest.raises(OpsError, match=r"the Compose project is not valid.*no such file"):
        compose.config()


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    class Full:
        def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
            raise CommandFailed(command, "exit code 1", 1, "listen tcp4 0.0.0.0:8001: bind: address already in use")

    with pytest.raises(OpsError, match=r"0\.0\.0\.0:8001: bind.* publish other host ports in this release"):
        Compose(Full(), "p", tmp_path, ()).start("web", 2)
