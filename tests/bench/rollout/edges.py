# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies in front. Each knows every port that the service can have, whichever way it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.compose_rollout.conftest import Host

FIRST_PORT, LAST_PORT = 8001, 8006
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
command -v caddy >/dev/null && command -v nginx >/dev/null ||
  apt-get install -qq -y --no-install-recommends caddy nginx-light >/dev/null
rm -f /etc/nginx/sites-enabled/*
sysctl -q -w net.ipv4.tcp_migrate_req=1
"""
"""Caddy opens its ports anew at every reload: connections that wait in the old socket are reset unless the kernel moves
them to the new one."""
VERSIONS = """
echo "Engine $(docker version --format '{{.Server.Version}}')"
echo "Compose $(docker compose version --short)"
echo "Caddy $(caddy version)"
nginx -v 2>&1 | sed 's,.*nginx/,nginx ,'
"""
CADDYFILE = """
{
	admin localhost:2019
	auto_https off
}
:8080 {
	reverse_proxy {
		to %s
		lb_policy least_conn
		lb_try_duration 5s
		lb_try_interval 100ms
		fail_duration 2s
		max_fails 1
		health_uri /health
		health_interval 1s
		health_timeout 2s
		transport http {
			dial_timeout 1s
		}
	}
}
"""
# Two upstream blocks: the file that compose_rollout keeps, and every port of the range for other ways.
KEPT, EVERY_PORT = "bench_web", "every_port"
NGINX_SITE = """
upstream every_port {
%(servers)s
}
server {
    listen 8081;
    location / {
        proxy_pass http://%(upstream)s;
        proxy_connect_timeout 1s;
        proxy_next_upstream error timeout;
    }
}
"""


@dataclass(frozen=True)
class Edge:
    """A proxy: the port that users come to, and what compose_rollout is told of it."""

    port: int
    option: Mapping[str, Any]


PROXIES: Mapping[str, Edge] = {
    "caddy": Edge(8080, {"type": "caddy", "service": "web", "port": 8000}),
    "nginx": Edge(8081, {"type": "nginx", "service": "web", "port": 8000}),
}


def install(host: Host) -> str:
    """Both proxies, the site of Caddy, and their versions in words."""
    ports = " ".join(f"{host.address}:{port}" for port in range(FIRST_PORT, LAST_PORT + 1))
    host.sh(INSTALL)
    host.write("/etc/caddy/Caddyfile", CADDYFILE % ports)
    host.sh("caddy validate --adapter caddyfile --config /etc/caddy/Caddyfile 2>&1 && systemctl restart caddy nginx")
    versions = (
        "docker version --format 'Engine {{.Server.Version}}'; docker compose version --short | sed 's/^/Compose /'"
    )
    tools = f"{versions}; caddy version | sed 's/^/Caddy /'; nginx -v 2>&1 | sed 's/.*nginx.//; s/^/nginx /'"
    return ", ".join(line.strip() for line in host.sh(tools).splitlines() if line.strip())


def expose(host: Host, proxy: str, upstream: str) -> None:
    """The site of nginx, once the file that compose_rollout keeps is there."""
    if proxy == "nginx":
        servers = "\n".join(f"    server {host.address}:{port};" for port in range(FIRST_PORT, LAST_PORT + 1))
        host.write("/etc/nginx/sites-enabled/bench", NGINX_SITE % {"servers": servers, "upstream": upstream})
        host.sh("nginx -t -q && systemctl reload nginx")


def withdraw(host: Host) -> None:
    """Take it away again, with the file."""
    host.sh("rm -f /etc/nginx/sites-enabled/bench /etc/nginx/conf.d/keelson-*; systemctl reload nginx")
