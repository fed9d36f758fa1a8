# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small commands around a running lab: status, shell, down, purge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from docker.errors import ImageNotFound

from . import fleet, machine
from .engine import client
from .images import DIGEST_LABEL
from .machine_disk import DISKS
from .paths import CACHE, SSH_KEY, fleet_state
from .progress import LabError, say, step
from .topology import Lab

LAB = "lab"


def status() -> int:
    """Print every machine of the lab with its state and what it publishes on 127.0.0.1; 1 when none runs."""
    machines = fleet.containers(LAB)
    if not machines:
        say("The lab is not running; `make lab` starts it.")
        return 1
    for name, container in sorted(machines.items()):
        published = ", ".join(
            f"127.0.0.1:{binding['HostPort']} -> {port}"
            for port, bindings in sorted(container.ports.items())
            for binding in bindings or []
        )
        say(f"{name:10} {container.status:10} {published}")
    return 0


def shell(host: str, command: Sequence[str]) -> int:
    """Replace this process by an SSH session on ``host``. Raises LabError for a host that is not there."""
    addresses = {known.name: f"10.77.0.{known.number}" for known in Lab().hosts()}
    if host not in addresses:
        raise LabError(f"HOST={host or '(nothing)'}: there are {', '.join(addresses)}; e.g. make lab-shell HOST=app1")
    known_hosts = f"UserKnownHostsFile={fleet_state(LAB)}/known_hosts/%h"
    options = ["-i", str(SSH_KEY), "-o", known_hosts, "-o", "StrictHostKeyChecking=accept-new"]
    os.execvp("ssh", ["ssh", *options, f"ops@{addresses[host]}", *command])  # noqa: S606


def tear_down() -> None:
    """Remove the lab; images stay cached for the next start."""
    with step("removing the lab's hosts, services, volumes and network"):
        fleet.down(LAB)
    say("Cached images stay for a quick start; `make lab-purge` removes them too.")


def purge() -> None:
    """Remove every fleet, machine, image and cache but the virtual environment this runs from."""
    engine = client()
    labelled = engine.containers.list(all=True, filters={"label": fleet.FLEET_LABEL})
    networks = engine.networks.list(filters={"label": fleet.FLEET_LABEL})
    names = {item.labels[fleet.FLEET_LABEL] for item in labelled}
    names |= {network.attrs["Labels"][fleet.FLEET_LABEL] for network in networks}
    with step(f"removing fleets: {', '.join(sorted(names)) or 'none'}"):
        for name in names:
            fleet.down(name)
        for state in (CACHE / "fleets").glob("*"):
            machine.down(state.name)
    with step("removing the lab's images and caches"):
        made = engine.images.list(filters={"label": DIGEST_LABEL})
        for image in sorted(made, key=lambda image: str(image.attrs["Created"]), reverse=True):  # children come first
            with suppress(ImageNotFound):
                engine.images.remove(image.id, force=True)
        for path in (CACHE / "fleets", CACHE / "ssh", DISKS, *CACHE.glob("s3-image-*")):
            subprocess.run(["rm", "-rf", str(path)], check=True)
