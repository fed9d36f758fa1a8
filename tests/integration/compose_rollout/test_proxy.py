# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments behind the nginx and the Caddy of the host: no request through them is lost, whatever goes wrong."""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.integration.compose_rollout.conftest import Host, Outcome, Project, made
from tests.integration.compose_rollout.load import Load

Until = Callable[[Callable[[], bool], str], None]

NGINX_PORT = 8701
CADDY_PORT = 8801
CADDY_HELD_PORT = 8802
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
command -v nginx >/dev/null && command -v caddy >/dev/null || {
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends nginx-light caddy >/dev/null
}
rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*
rm -rf /etc/caddy/keelson && mkdir -p /etc/caddy/keelson
printf '{\\n\\tadmin localhost:2019\\n}\\n' > /etc/caddy/Caddyfile
systemctl restart nginx caddy
"""
NGINX_SITE = """
server {
    listen 8701;
    location / {
        proxy_pass http://edge_web;
        proxy_connect_timeout 1s;
        proxy_next_upstream error timeout;
    }
}
"""
CADDYFILE = """
:8801 {
	reverse_proxy {
		import /etc/caddy/keelson/edge.web*
		lb_try_duration 5s
		lb_try_interval 100ms
		health_uri /health
		health_interval 1s
		transport http {
			dial_timeout 1s
		}
	}
}
# Bodies are held and what cannot be held has one try, as role caddy writes it: two handlers, each with its own checks.
:8802 {
	route {
		@held expression `{header.Content-Length} != "" && {http.request.body} == ""`
		request_header @held -X-Held
		@once {
			method POST PUT PATCH
			header !Content-Length
		}
		reverse_proxy @once {
			import /etc/caddy/keelson/edge.web*
			fail_duration 2s
			health_uri /health
			health_interval 1s
			transport http {
				dial_timeout 1s
			}
		}
		reverse_proxy {
			import /etc/caddy/keelson/edge.web*
			lb_policy least_conn
			lb_try_duration 5s
			lb_try_interval 100ms
			fail_duration 2s
			health_uri /health
			health_interval 1s
			transport http {
				dial_timeout 1s
			}
		}
	}
}
"""
NGINX_FILE = "/etc/nginx/conf.d/keelson-edge-web.conf"
FILE = "/etc/caddy/keelson/edge.web"
PROXIES = [
    {"type": "nginx", "service": "web", "port": 8000},
    {"type": "caddy", "service": "web", "port": 8000, "file": FILE},
]


@dataclass(frozen=True)
class Edge:
    """A project whose ports only the host itself reaches, behind both proxies."""

    project: Project

    @property
    def host(self) -> Host:
        return self.project.host

    def compose(self, version: str, environment: dict[str, str] | None = None, **web: Any) -> None:
        """Health takes a while to tell, as where it asks a database: Caddy's checks are often under way."""
        first, last = self.project.ports[0], self.project.ports[-1]
        environment = {"APP_LOOKS_FOR": "0.2", **(environment or {})}
        self.project.compose(
            version, **{"ports": [f"127.0.0.1:{first}-{last}:8000"], "environment": environment, **web}
        )

    def deploy(self, *flags: str, **arguments: Any) -> Outcome:
        return self.project.deploy(*flags, **{"proxy": PROXIES, **arguments})

    @contextmanager
    def load(self, threads: int = 2, hesitates: float = 0.0) -> Iterator[dict[str, Load]]:
        """Requests through each proxy; every one must be answered."""
        nginx, caddy, held = (
            Load(self.host.address, (port,), threads=threads, patience=0, hesitates=hesitates)
            for port in (NGINX_PORT, CADDY_PORT, CADDY_HELD_PORT)
        )
        loads = {"nginx": nginx, "caddy": caddy, "caddy that holds bodies": held}
        with nginx, caddy, held:
            yield loads
        for name, load in loads.items():
            assert load.failures == [], f"{name}: {len(load.failures)} of {load.total}\n{self.complaints()}"
            assert load.total > 0

    def complaints(self) -> str:
        """What nginx logged last."""
        return self.host.sh("tail -n 30 /var/log/nginx/error.log")

    def answers(self) -> set[str]:
        """What each proxy answers now."""
        found = set()
        for port in (NGINX_PORT, CADDY_PORT, CADDY_HELD_PORT):
            try:
                with urllib.request.urlopen(f"http://{self.host.address}:{port}/", timeout=5) as response:
                    found.add(response.read().decode())
            except OSError as error:
                found.add(str(error))
        return found

    def upstreams(self) -> str:
        return self.host.sh(f"cat {NGINX_FILE} {FILE}")


@pytest.fixture(scope="module")
def edge(host: Host) -> Iterator[Edge]:
    """v1 behind both proxies."""
    host.sh(INSTALL)
    with made(host, "edge", 7800) as project:
        proxied = Edge(project)
        proxied.compose("v1")
        host.write("/etc/caddy/Caddyfile", CADDYFILE)
        host.sh("systemctl reload caddy")
        outcome = proxied.deploy()
        assert outcome.rc == 0, outcome.text
        host.write("/etc/nginx/sites-enabled/edge", NGINX_SITE)
        host.sh("nginx -t -q && systemctl reload nginx")
        yield proxied
        host.sh("systemctl stop nginx caddy")


@pytest.fixture
def v1(edge: Edge, until: Until) -> Edge:
    """The project as every test finds it."""
    edge.compose("v1")
    outcome = edge.deploy()
    assert outcome.rc == 0, outcome.text
    until(lambda: edge.answers() == {"v1"}, "v1 answers through both proxies")
    return edge


def test_a_new_version_takes_over_and_both_proxies_know_it_for_good(v1: Edge, until: Until) -> None:
    settled = v1.host.sh(f"cat {FILE}")
    v1.compose("v2")
    preview = v1.deploy("--check", "--diff")
    assert [proxy["changed"] for proxy in preview.result["proxies"]] == [True, False], preview.text
    with v1.load() as loads:
        outcome = v1.deploy()
    assert outcome.rc == 0, outcome.text
    assert [(step["step"], step["proxy"]) for step in outcome.result["steps"] if "proxy" in step] == [
        ("pin", "caddy"), ("switch", "nginx"), ("switch", "caddy"), ("settle", "caddy"),
    ]  # fmt: skip
    assert all(load.answers["v1"] and load.answers["v2"] for load in loads.values())
    assert v1.host.sh(f"cat {FILE}") == settled
    assert v1.deploy().result["changed"] is False
    v1.host.sh("systemctl restart docker nginx caddy")
    until(lambda: v1.answers() == {"v2"}, "v2 answers after everything has started anew")
    v1.deploy()  # Docker may have given the containers other ports of the range
    assert v1.deploy().result["changed"] is False


def test_failures_of_the_only_container_are_no_reason_to_serve_nobody(v1: Edge) -> None:
    v1.compose("v1", deploy={"replicas": 1})
    assert v1.deploy().rc == 0

    def ask(query: str) -> int:
        url = f"http://{v1.host.address}:{NGINX_PORT}/{query}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        broken = list(pool.map(ask, ["?seconds=never"] * 32))
        asked = list(pool.map(ask, [""] * 32))
    assert (set(broken), set(asked)) == ({502}, {200})


@pytest.mark.parametrize("boot", [0.2, 3.0])
def test_who_connected_before_the_switch_and_asks_after_it_is_answered(v1: Edge, boot: float) -> None:
    v1.compose("v2", environment={"APP_BOOT": str(boot)})
    with v1.load(threads=16, hesitates=1.5) as loads:
        outcome = v1.deploy()
    assert outcome.rc == 0, outcome.text
    assert all(load.answers["v1"] and load.answers["v2"] for load in loads.values())


def test_what_fails_before_or_after_the_switch_costs_no_request(v1: Edge) -> None:
    before = v1.project.ids()
    settled = v1.upstreams()
    with v1.load() as loads:
        v1.compose("bad")
        bad = v1.deploy()
        v1.compose("v2")
        late = v1.deploy(hooks={"post_switch": ["sh -c 'sleep 3; exit 1'"]})
    assert "unhealthy" in bad.result["msg"], bad.text
    assert "the old ones serve again" in late.result["msg"], late.text
    assert late.result["rolled_back"] is True
    assert all(load.answers["v2"] for load in loads.values()), "the new version served for a while"
    assert v1.project.ids() == before
    assert v1.upstreams() == settled
    assert v1.answers() == {"v1"}


@pytest.mark.usefixtures("modules")
def test_killed_at_any_step_of_the_journal_the_next_run_converges(
    v1: Edge, until: Until, request: pytest.FixtureRequest
) -> None:
    project = v1.project
    images = itertools.cycle(["application:v2", "application:v1"])
    files = {}
    for image in ("application:v1", "application:v2"):
        # Not on the loopback alone: only then old containers are drained by a gate of their own.
        v1.compose(image.partition(":")[2], deploy={"replicas": 1}, ports=[f"{project.base}-{project.ports[-1]}:8000"])
        files[image] = f"/opt/edge/{image.partition(':')[2]}.yaml"
        v1.host.sh(f"cp /opt/edge/compose.yaml {files[image]}")
    given = {"project": "edge", "proxy": PROXIES}
    died_in = []
    project.by_hand("down")  # Docker can't give a port of all addresses that one address has
    request.addfinalizer(partial(project.by_hand, "down"))
    first = project.killed_at(0, **given, files=[files["application:v1"]])
    assert first is not None and "failed" not in first, (first or {}).get("msg")
    until(lambda: v1.answers() == {"v1"}, "v1 answers through both proxies")
    with v1.load() as loads:
        # Each step has a line as it begins and one when it is done, after which the next one begins.
        for line, image in zip(itertools.count(1, 2), images, strict=False):
            survived = project.killed_at(line, **given, files=[files[image]])
            converged = survived or project.killed_at(0, **given, files=[files[image]])
            assert "failed" not in converged, converged["msg"]
            assert [(c["Image"], c["State"]) for c in project.containers()] == [(image, "running")]
            if survived:
                break
            died_in.append(converged["resumed_after"]["step"])
        assert died_in == [
            "pin", "start", "wait", *["switch"] * 2, "finish", "drain", "stop", "settle",
        ]  # fmt: skip
        again = project.killed_at(0, **given, files=[files[image]])
    assert again is not None and again["changed"] is False, again
    assert all(load.answers["v1"] and load.answers["v2"] for load in loads.values())
    assert v1.answers() == {image.partition(":")[2]}


def test_a_proxy_that_cannot_be_switched_stops_the_deployment_before_anything_is_touched(v1: Edge) -> None:
    before, settled = v1.project.ids(), v1.upstreams()
    v1.compose("v2")
    broken = "/etc/nginx/conf.d/broken.conf"
    v1.host.write(broken, "no_such_directive;\n")
    with v1.load():
        outcome = v1.deploy()
    v1.host.sh(f"rm {broken}")
    assert "no_such_directive" in outcome.result["msg"], outcome.text
    refused = v1.deploy(proxy=[{**PROXIES[0], "directives": ["no_such_directive"]}])
    assert "put back as it was" in refused.result["msg"], refused.text
    away = v1.deploy(proxy=[{**PROXIES[1], "admin": "http://127.0.0.1:2020"}])
    assert "Caddy does not answer" in away.result["msg"], away.text
    assert (v1.project.ids(), v1.upstreams()) == (before, settled)
    assert v1.answers() == {"v1"}


def test_containers_by_their_own_addresses(v1: Edge, until: Until) -> None:
    proxies = [{**proxy, "address": "container"} for proxy in PROXIES]
    with v1.load() as loads:
        assert v1.deploy(proxy=proxies).result["changed"] is True
        v1.compose("v2", ports=None)
        outcome = v1.deploy(proxy=proxies)
    assert outcome.rc == 0, outcome.text
    assert all(load.answers["v2"] for load in loads.values())
    assert v1.deploy(proxy=proxies).result["changed"] is False
    v1.host.sh("systemctl restart nginx && systemctl reload caddy")
    until(lambda: v1.answers() == {"v2"}, "v2 answers after the proxies have started anew")
    with v1.load():
        back = v1.deploy(state="rolled_back", proxy=PROXIES)
    assert back.rc == 0, back.text
    assert v1.answers() == {"v1"}
