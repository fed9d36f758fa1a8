# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that are judged: a container of the lab, or a virtual machine with a kernel and disks of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lab import machine
from tests.bench.hardening import log_host
from tests.bench.hardening.judges import Judged, prepare
from tests.tools.bench_hosts import BenchHosts, bench_hosts

FLEET = "bench-hardening"
MACHINE = "bench-machine"
JUDGED, LOG_HOST = "judged", "logs"
# Seconds after which OpenSCAP is taken for hung; an emulated processor needs minutes for what a real one does at once.
PATIENCE = 300
EMULATED_PATIENCE = 3000

# A container is judged as a host: without the marks of one, and with kernel settings that are its own. They are a copy,
# since those of the machine beneath are not ours to change; the network's are real.
AS_A_HOST = r"""
set -e
rm -f /.dockerenv
mkdir -p /run/judged/sys /run/judged/net
mount --bind /proc/sys/net /run/judged/net
cp -r /proc/sys/. /run/judged/sys/ 2>/dev/null || true
mount --bind /run/judged/sys /proc/sys
mount --bind /run/judged/net /proc/sys/net
echo host
"""
# What a boot does with the kernel settings that the role wrote and does not apply in a container.
BOOT_SETTINGS = "sysctl --quiet --ignore --load=/etc/sysctl.d/60-keelson-kernel.conf 2>&1 || true"


@dataclass(frozen=True)
class JudgedHost:
    """A fresh host called ``name`` that knows a log host beside it.

    ``boot`` has it start as after a reboot, and ends when it can be logged into.
    """

    name: str
    hosts: BenchHosts
    judged: Judged
    boot: Callable[[], object]


@contextmanager
def container(release: str) -> Iterator[JudgedHost]:
    """A container of the lab: partitions, boot loader, auditd and the like belong to the machine that runs it."""
    with bench_hosts(f"{FLEET}-{release}", {JUDGED: release, LOG_HOST: release}) as hosts:
        shell = partial(_in_container, hosts)
        prepare(shell, AS_A_HOST, "host")
        log_host.start(hosts, LOG_HOST)
        prepare(shell, log_host.introduce(hosts, LOG_HOST) + "\necho known", "known")
        judged = Judged(shell, hosts.address(JUDGED), 22, PATIENCE)
        yield JudgedHost(JUDGED, hosts, judged, partial(shell, BOOT_SETTINGS))


@contextmanager
def virtual_machine(release: str) -> Iterator[JudgedHost]:
    """A machine with a kernel of its own and the file systems that CIS asks for."""
    name = f"{MACHINE}-{release}"
    with bench_hosts(f"{FLEET}-{release}", {LOG_HOST: release}) as beside:
        try:
            machine.up(name, release)
            shell = partial(_on_machine, name)
            log_host.start(beside, LOG_HOST)
            prepare(shell, log_host.introduce(beside, LOG_HOST) + "\necho known", "known")
            judged = Judged(shell, "127.0.0.1", machine.port(name), EMULATED_PATIENCE)
            yield JudgedHost(name, BenchHosts(name), judged, partial(machine.reboot, name))
        finally:
            machine.down(name)


def _in_container(hosts: BenchHosts, command: str) -> str:
    return hosts.shell(JUDGED, command)[1]


def _on_machine(name: str, command: str) -> str:
    return machine.run(name, command)[1]
