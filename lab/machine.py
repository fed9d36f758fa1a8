# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel, a boot loader and disks of its own: a virtual machine, reached by SSH at a port of 127.0.0.1.

What a container can't show is shown here: audit, AppArmor, clock, mount options, kernel settings, a real reboot.
Without KVM the processor is emulated: a boot takes half a minute, and programs are ten to twenty times slower.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from .fleet import ensure_ssh_key
from .machine_disk import Disk, disk
from .paths import SSH_KEY, fleet_state
from .progress import LabError, step

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 3072
BOOT_SECONDS = 600.0
ANSWER_SECONDS = 60.0
LOADER = "sudo grub-install /dev/vda && sudo update-grub && sudo systemctl poweroff"


def up(name: str, release: str) -> None:
    """Start a machine of its own disk, or one that is there; it can be logged into afterwards. Raises LabError.

    Its inventory is ``.cache/fleets/<name>/hosts.yml``. ``LAB_MACHINE_ACCEL=kvm`` has KVM run it.
    """
    if shutil.which(PROGRAM) is None or platform.machine() != "x86_64":
        raise LabError(f"a virtual machine needs {PROGRAM} (`lab/bootstrap.sh machine` installs it) on x86_64")
    ensure_ssh_key()
    state = fleet_state(name)
    state.mkdir(parents=True, exist_ok=True)
    image = state / "disk.qcow2"
    if _pid(state) is not None and image.exists():
        wait_for_login(name)
        return
    if not image.exists():
        _stop(state)  # an earlier start was interrupted
        _create(state, image, disk(release))
    with step(f"starting machine {name} ({release})"):
        _start(state, image)
        wait_for_login(name)


def down(name: str) -> None:
    """Stop a machine and remove it with its disk; nothing happens when there is none."""
    state = fleet_state(name)
    _stop(state)
    shutil.rmtree(state, ignore_errors=True)


def reboot(name: str) -> None:
    """Boot a machine anew and wait until it can be logged into. Raises LabError."""
    state = fleet_state(name)
    before = _ssh(state, "cat /proc/sys/kernel/random/boot_id").stdout
    _ssh(state, "sudo systemctl reboot")
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        now = _ssh(state, "cat /proc/sys/kernel/random/boot_id").stdout
        if now not in ("", before):
            return wait_for_login(name)
        time.sleep(1)
    raise LabError(f"{name} did not boot within {BOOT_SECONDS:.0f} s; its console: {state}/console.log")


def wait_for_login(name: str) -> None:
    """Wait until a machine has started its services and can be logged into. Raises LabError."""
    state = fleet_state(name)
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        if _ssh(state, "systemctl is-system-running").stdout.strip() in {"running", "degraded"}:
            return
        if _pid(state) is None:
            break
        time.sleep(1)
    raise LabError(f"{name} cannot be logged into; its console: {state}/console.log")


def run(name: str, command: str) -> tuple[int, str]:
    """Run a shell command as root on a machine; its exit status and what it printed on both channels."""
    done = subprocess.run(
        [*_login(fleet_state(name)), "sudo", "--non-interactive", "sh", "-s"],
        input=command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def port(name: str) -> int:
    """The port of 127.0.0.1 at which a machine is reached by SSH."""
    inventory = json.loads((fleet_state(name) / "hosts.yml").read_text(encoding="utf-8"))
    return int(inventory["all"]["hosts"][name]["ansible_port"])


def _create(state: Path, image: Path, base: Disk) -> None:
    """Write the inventory, and the disk with its boot loader, which needs the kernel to run once without one."""
    (state / "known_hosts").unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        _write_inventory(state, free.getsockname()[1])
    fresh = state / "fresh.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base.image), str(fresh)], check=True
    )
    with step("installing its boot loader"):
        start = ["-kernel", str(base.kernel), "-initrd", str(base.initrd), "-no-reboot"]
        _start(state, fresh, *start, "-append", "root=LABEL=root console=ttyS0")
        wait_for_login(state.name)
        done = _ssh(state, LOADER)
        _wait_stopped(state, BOOT_SECONDS)
        if "Installation finished" not in done.stderr:
            raise LabError(f"GRUB could not be installed: {done.stderr[-2000:]}")
    fresh.rename(image)


def _start(state: Path, image: Path, *options: str) -> None:
    accelerator = os.environ.get("LAB_MACHINE_ACCEL", "tcg")
    # Emulated processors wait for each other: one alone needs a third less of this machine's time.
    processors = 1 if accelerator == "tcg" else min(os.cpu_count() or 1, 4)
    command = [PROGRAM, "-accel", accelerator, "-cpu", "max", "-smp", str(processors), "-m", str(MEMORY_MIB)]
    command += ["-display", "none"]
    command += ["-drive", f"file={image},format=qcow2,if=virtio,cache=unsafe"]
    command += [
        "-netdev",
        f"user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:{port(state.name)}-:22",
        "-device",
        "virtio-net,netdev=net",
    ]
    command += ["-device", "virtio-rng", "-serial", f"file:{state}/console.log"]
    command += ["-daemonize", "-pidfile", str(state / "pid"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{PROGRAM} does not start: {done.stderr[-1500:]}")


def _pid(state: Path) -> int | None:
    """The process of a machine, if it runs: the number may be somebody else's by now."""
    with suppress(OSError, ValueError):
        pid = int((state / "pid").read_text(encoding="ascii"))
        if f"{state}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _stop(state: Path) -> None:
    pid = _pid(state)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        _wait_stopped(state, ANSWER_SECONDS)


def _wait_stopped(state: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _pid(state) is not None:
        if time.monotonic() > deadline:
            raise LabError(f"{state.name} does not stop; its console: {state}/console.log")
        time.sleep(0.2)


def _ssh(state: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A command as the operator. Its exit status is 255 when the machine can't be logged into (yet)."""
    try:
        return subprocess.run(
            [*_login(state), command], capture_output=True, text=True, check=False, timeout=BOOT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(error.cmd, 255, "", "")


def _login(state: Path) -> list[str]:
    options = ["BatchMode=yes", f"ConnectTimeout={ANSWER_SECONDS:.0f}", "StrictHostKeyChecking=accept-new"]
    options += [f"UserKnownHostsFile={state}/known_hosts", "LogLevel=ERROR"]
    flags = [part for option in options for part in ("-o", option)]
    return ["ssh", *flags, "-i", str(SSH_KEY), "-p", str(port(state.name)), "ops@127.0.0.1"]


def _write_inventory(state: Path, port_here: int) -> None:
    known_hosts = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={state}/known_hosts"
    variables = {
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(SSH_KEY),
        "ansible_ssh_common_args": known_hosts,
        "ansible_timeout": int(ANSWER_SECONDS),
    }
    host = {"ansible_host": "127.0.0.1", "ansible_port": port_here}
    text = json.dumps({"all": {"vars": variables, "hosts": {state.name: host}}}, indent=2)
    (state / "hosts.yml").write_text(text + "\n", encoding="utf-8")
