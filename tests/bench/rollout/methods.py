# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to deploy that are compared. Each deploys what the Compose file on the host says by now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tests.integration.compose_rollout.conftest import Outcome, Project

HEALTH_SECONDS = 30
# What docker-rollout (github.com/wowu/docker-rollout) documents, written anew: twice the containers, poll their health
# once a second, take the new ones away when they are not healthy in time, else stop and remove the old ones.
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
Method = Callable[[Project], tuple[int, str]]
"""Exit code, and where the seconds went as far as the way tells."""


def by_script(text: str) -> Method:
    """A method that is a script on the host."""

    def run(project: Project) -> tuple[int, str]:
        script = f"( {text.format(name=project.name, seconds=HEALTH_SECONDS)}\n) >&2; echo rc=$?"
        return int(project.host.sh(script, check=False).rpartition("rc=")[2]), ""

    return run


def rollout(project: Project) -> tuple[int, str]:
    """compose_rollout; the proxy in front finds out by itself."""
    return _told(project.deploy(drain_delay=2, wait_timeout=HEALTH_SECONDS))


def rollout_told(project: Project) -> tuple[int, str]:
    """compose_rollout, which tells Caddy where to send requests."""
    proxy = [{"type": "caddy", "service": "web", "port": 8000}]
    return _told(project.deploy(wait_timeout=HEALTH_SECONDS, proxy=proxy))


def _told(outcome: Outcome) -> tuple[int, str]:
    spent: Counter[str] = Counter()
    for step in outcome.result.get("steps") or []:
        spent[step["step"]] += step.get("seconds", 0.0)
    return outcome.rc, ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())


METHODS: Mapping[str, Method] = {
    "docker compose up -d": by_script("cd /opt/{name} && docker compose up -d"),
    "docker compose up -d --wait": by_script("cd /opt/{name} && docker compose up -d --wait --wait-timeout {seconds}"),
    "scale to 2N, then stop the old": by_script(DOUBLE),
    "compose_rollout": rollout,
    "compose_rollout, proxy: caddy": rollout_told,
}
