# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's images on the real Engine, with their own database and Redis."""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from lab.images import demo_image, service_image

PATIENCE = 90.0
DATABASE_PASSWORD = "database-password-of-a-test"
REDIS_PASSWORD = "redis-password-of-a-test"
OLD_SECRET, NEW_SECRET = "old-" * 16, "new-" * 16
LOCKED_DOWN = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}


def eventually(probe: Callable[[], Any], what: str) -> Any:
    """What ``probe`` answers as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if answer := probe():
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE:g} s: {what}")


@dataclass
class Project:
    """Containers on a network of their own; all gone afterwards."""

    client: docker.DockerClient = field(default_factory=docker.from_env)
    name: str = field(default_factory=lambda: f"keelson-it-demo-{secrets.token_hex(3)}")
    containers: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network = self.client.networks.create(self.name)

    def run(self, image: str, command: list[str] | None, alias: str, **options: Any) -> Container:
        name = f"{self.name}-{alias}-{len(self.containers)}"
        container = self.client.containers.create(image, command, name=name, **LOCKED_DOWN, **options)
        self.containers.append(container)
        self.client.networks.get("bridge").disconnect(container)
        self.network.connect(container, aliases=[alias])
        container.start()
        return container

    def shop(self, command: list[str], **environment: str) -> Container:
        settings = {
            "DATABASE_URL": "postgresql://shop@postgres:5432/shop",
            "DATABASE_PASSWORD": DATABASE_PASSWORD,
            "REDIS_URL": "redis://redis:6379/0",
            "JWT_SECRET": OLD_SECRET,
            "FAULTS_ENABLED": "1",
            "FAULTS_TOKEN": "token",
            "WEBHOOK_URL": "http://nobody.invalid/",
            "WEBHOOK_ATTEMPTS": "2",
            "WEBHOOK_BASE_SECONDS": "0.1",
        }
        image = demo_image("backend", "1.0.0")
        return self.run(
            image, command, "backend", environment=settings | environment, ports={"8000/tcp": ("127.0.0.1", 0)}
        )

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True, v=True)
        self.network.remove()
        self.client.close()


@dataclass(frozen=True)
class Replica:
    """A running back end, asked over its published port."""

    container: Container

    @property
    def base(self) -> str:
        self.container.reload()
        return f"http://127.0.0.1:{self.container.ports['8000/tcp'][0]['HostPort']}"

    def ask(self, path: str, body: object = None, *, method: str | None = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, data, named, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())

    def sign_in(self) -> str:
        status, session = self.ask("/api/auth/login", {"email": "demo@shop.example", "password": "demo-password"})
        assert status == 200, session
        return f"Bearer {session['token']}"

    def misbehave(self, **faults: object) -> None:
        assert self.ask("/admin/faults", faults, method="PUT", X_Faults_Token="token")[0] == 200


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    project = Project()
    try:
        postgres = project.run(
            service_image("postgres"),
            None,
            "postgres",
            environment={"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": DATABASE_PASSWORD},
            tmpfs={"/tmp": "", "/run/postgresql": "uid=70,gid=70"},
        )
        arguments = ["redis-server", "/etc/redis/base.conf", "--protected-mode", "no"]
        project.run(service_image("redis"), arguments, "redis")
        query = ["psql", "--username", "shop", "--host", "127.0.0.1", "--command", "SELECT 1"]
        environment = {"PGPASSWORD": DATABASE_PASSWORD}
        eventually(lambda: postgres.exec_run(query, environment=environment).exit_code == 0, "PostgreSQL answers")
        # Two at once: one applies everything, the other waits and finds nothing to do.
        both = [project.shop(["migrate"]) for _ in range(2)]
        assert [one.wait(timeout=PATIENCE)["StatusCode"] for one in both] == [0, 0]
        applied = [json.loads(one.logs().splitlines()[-1])["applied"] for one in both]
        assert sorted(map(len, applied)) == [0, 3]
        assert project.shop(["seed"]).wait(timeout=PATIENCE)["StatusCode"] == 0
        yield project
    finally:
        project.close()


@pytest.fixture(scope="module")
def replica(project: Project) -> Replica:
    replica = Replica(project.shop(["serve"]))
    eventually(lambda: replica.ask("/health")[0] == 200, "the back end is healthy")
    return replica


def test_health_has_the_forms_of_the_guides(replica: Replica) -> None:
    _, full = replica.ask("/health")
    assert full["status"] == "healthy"
    assert full["services"] == {"database": "healthy", "redis": "healthy", "email": "disabled"}
    assert replica.ask("/api/health")[1]["database"] == "connected"
    assert replica.ask("/version")[1] == {"version": "1.0.0"}


def test_a_token_of_the_previous_secret_is_accepted_and_of_an_unknown_one_is_not(
    project: Project, replica: Replica
) -> None:
    token = replica.sign_in()
    rotated = Replica(project.shop(["serve"], JWT_SECRET=NEW_SECRET, JWT_SECRET_PREVIOUS=OLD_SECRET))
    eventually(lambda: rotated.ask("/health")[0] == 200, "the rotated back end is healthy")
    assert rotated.ask("/api/me", Authorization=token)[0] == 200
    assert replica.ask("/api/me", Authorization=rotated.sign_in())[0] == 401


def test_an_order_is_placed_and_its_webhook_ends_in_the_dead_letter_queue(replica: Replica) -> None:
    token = replica.sign_in()
    assert replica.ask("/api/orders", {"productId": 1})[0] == 401
    status, order = replica.ask("/api/orders", {"productId": 1, "quantity": 2}, Authorization=token)
    assert (status, order["totalCents"]) == (201, 25800)
    assert replica.ask("/api/orders", Authorization=token)[1][0]["id"] == order["id"]
    eventually(lambda: "webhook_dead_letter_queue_size 1.0" in replica.ask("/metrics")[1], "the webhook is given up")
    letters = replica.ask("/api/webhooks/dead-letters", Authorization=token)[1]
    assert [(letter["event"], letter["attempts"]) for letter in letters] == [("order.placed", 2)]
    assert replica.ask("/api/webhooks/dead-letters/reprocess", {}, Authorization=token)[1] == {"requeued": 1}


def test_the_second_look_at_the_products_comes_from_the_cache(replica: Replica) -> None:
    for _ in range(4):
        assert len(replica.ask("/api/products")[1]) == 5
    hit_rate = next(line for line in replica.ask("/metrics")[1].splitlines() if line.startswith("cache_hit_rate "))
    assert float(hit_rate.split()[1]) >= 0.5


def test_faults_are_switched_on_and_off_by_those_with_the_token(replica: Replica) -> None:
    assert replica.ask("/admin/faults", X_Faults_Token="wrong")[0] == 403
    replica.misbehave(fail_health=True, error_rate=0.5)
    assert replica.ask("/health")[0] == 503
    assert sorted(replica.ask("/api/products")[0] for _ in range(4)) == [200, 200, 500, 500]
    replica.misbehave(fail_health=False, error_rate=0)
    assert replica.ask("/health")[0] == 200


def test_stopping_finishes_the_request_at_hand(project: Project) -> None:
    replica = Replica(project.shop(["serve"]))
    eventually(lambda: replica.ask("/health")[0] == 200, "the back end is healthy")
    answers: list[tuple[int, Any]] = []
    request = threading.Thread(target=lambda: answers.append(replica.ask("/api/work?ms=2000")))
    request.start()
    in_flight = "http_requests_in_flight 2.0"  # the one that works and the one that asks
    eventually(lambda: in_flight in replica.ask("/metrics")[1], "the request is being answered")
    replica.container.stop(timeout=60)
    request.join()
    assert answers[0][0] == 200
    replica.container.reload()
    assert replica.container.attrs["State"]["ExitCode"] == 0


def test_the_schema_goes_back_and_forth_again(project: Project, replica: Replica) -> None:
    def shop(command: str) -> str:
        container = project.shop([command])
        assert container.wait(timeout=PATIENCE)["StatusCode"] == 0
        return container.logs().decode()

    shop("rollback")
    assert "pending  0003_webhooks" in shop("status")
    shop("migrate")
    assert "pending" not in shop("status")
