# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to deploy that are compared. Each deploys what the Compose file on the host says by now."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.rollout.edges import PROXIES
from tests.integration.compose_rollout.conftest import ROOT, Project

HEALTH_SECONDS = 30
OURS = "compose_rollout"
PLUGIN = "/usr/local/lib/docker/cli-plugins/docker-rollout"
# What docker-rollout (github.com/wowu/docker-rollout) does, written anew for where it is not at hand: twice the
# containers, poll their health once a second, take the new ones away when they are not healthy in time, else the old.
DOUBLE = r"""
cd /opt/{name}
old=$(docker compose ps --quiet web); count=$(echo "$old" | wc -w)
docker compose up --detach --no-recreate --scale web=$((2 * count)) web 2>&1 | tail -1
new=$(docker compose ps --quiet web | grep -vxF "$old")
for second in $(seq {seconds}); do
  healthy=0
  for id in $new; do
    [ "$(docker inspect --format '{{{{.State.Health.Status}}}}' $id)" = healthy ] && healthy=$((healthy + 1))
  done
  [ $healthy = $count ] && break
  sleep 1
done
if [ $healthy != $count ]; then docker stop $new >/dev/null; docker rm $new >/dev/null; exit 1; fi
docker stop $old >/dev/null; docker rm $old >/dev/null
"""
REAL = f"chmod +x {PLUGIN} && cd /opt/{{name}} && docker rollout --timeout {{seconds}} web"
TIMED = """
began=$(date +%s%N)
( {text}
) >&2
echo rc=$? ms=$(( ($(date +%s%N) - began) / 1000000 ))
"""


@dataclass(frozen=True)
class Deployed:
    """How a deployment ended, the seconds it took on the host, and where they went as far as the way tells."""

    rc: int
    seconds: float
    told: str = ""


@dataclass(frozen=True)
class Others:
    """Where other programs are: docker-rollout's script, a checkout of community.docker; None where there is none.

    ``start`` is what Ansible's own start and connection take, in seconds.
    """

    docker_rollout: Path | None
    community_docker: Path | None
    start: float


Method = Callable[[Project, str], Deployed]
"""Deploys a project that is behind a proxy of that name."""


def by_script(text: str) -> Method:
    """A method that is a script on the host, whose seconds the host itself counts."""

    def run(project: Project, proxy: str) -> Deployed:
        script = TIMED.format(text=text.format(name=project.name, seconds=HEALTH_SECONDS))
        rc, milliseconds = re.findall(r"rc=(\d+) ms=(\d+)", project.host.sh(script, check=False))[-1]
        return Deployed(int(rc), int(milliseconds) / 1000)

    return run


def rollout(project: Project, proxy: str) -> Deployed:
    """compose_rollout with its defaults, told of the proxy."""
    outcome = project.deploy(wait_timeout=HEALTH_SECONDS, proxy=[dict(PROXIES[proxy].option)])
    spent: Counter[str] = Counter()
    for step in outcome.result.get("steps") or []:
        spent[step["step"]] += step.get("seconds", 0.0)
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())
    return Deployed(outcome.rc, float(outcome.result.get("seconds", "nan")), told)


def compose_v2(start: float) -> Method:
    """community.docker's module, which does not say its seconds: those of the task without Ansible's start."""

    def run(project: Project, proxy: str) -> Deployed:
        began = time.monotonic()
        outcome = project.host.module(
            "community.docker.docker_compose_v2",
            project_src=f"/opt/{project.name}",
            project_name=project.name,
            wait=True,
            wait_timeout=HEALTH_SECONDS,
        )
        return Deployed(outcome.rc, max(0.0, time.monotonic() - began - start))

    return run


def ways(others: Others, write: Callable[[str, str], None]) -> dict[str, Method | None]:
    """All of them; None for one that is not present. ``write`` puts a text into a file on the host."""
    rival, script, module = "docker-rollout, re-implemented", DOUBLE, None
    if others.docker_rollout is not None:
        text = others.docker_rollout.read_text(encoding="utf-8")
        write(PLUGIN, text)
        version = re.search(r"^VERSION=(\S+)", text, re.MULTILINE)
        rival, script = f"docker-rollout {version[1] if version else ''}".strip(), REAL
    if others.community_docker is not None:
        reach_collection(others.community_docker)
        module = compose_v2(others.start)
    return {
        "docker compose up -d": by_script("cd /opt/{name} && docker compose up -d"),
        "docker_compose_v2, wait": module,
        rival: by_script(script),
        OURS: rollout,
    }


def reach_collection(path: Path) -> None:
    """Let Ansible find a checkout of community.docker at any place."""
    parent = ROOT / ".cache" / "bench-collections"
    link = parent / "ansible_collections" / "community" / "docker"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(path.resolve())
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = f"{ROOT / 'collections'}:{parent}"
