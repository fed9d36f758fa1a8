# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of virtual machines: the lab's host image with a kernel, on the file systems that CIS wants to be separate."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from docker.errors import ContainerError

from .engine import client
from .images import Recipe, build, host_image
from .paths import CACHE, IMAGES, SSH_KEY
from .progress import LabError, step

DISKS = CACHE / "machine-disks"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system of the disk; ``size`` in MiB."""

    label: str
    point: str
    size: int


LAYOUT = (
    FileSystem("root", "/", 10240),
    FileSystem("home", "/home", 512),
    FileSystem("var", "/var", 10240),
    FileSystem("log", "/var/log", 2048),
    FileSystem("audit", "/var/log/audit", 512),
    FileSystem("vartmp", "/var/tmp", 512),  # noqa: S108 a mount point
)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that is never written to again, and the kernel with which it starts while it has no boot loader."""

    folder: Path

    @property
    def image(self) -> Path:
        """The disk, raw and sparse."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """The kernel of the disk's own."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initial file system of that kernel."""
        return self.folder / "initrd"


def disk(release: str) -> Disk:
    """The disk of a release, written when it is not there yet; it has no boot loader. Raises LabError."""
    image = build(Recipe("machine", IMAGES / "machine", host_image(release), release, {"BASE": host_image(release)}))
    key = SSH_KEY.with_suffix(".pub").read_text(encoding="utf-8").strip()
    table = "".join(f"{part.label} {part.point} {part.size}\n" for part in LAYOUT)
    made_of = f"{client().images.get(image).id} {key} {table}"
    folder = DISKS / f"{release}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    if folder.exists():
        return Disk(folder)
    DISKS.mkdir(parents=True, exist_ok=True)
    with step(f"writing the disk of a {release} machine"), tempfile.TemporaryDirectory(dir=DISKS) as scratch:
        out = Path(scratch, "out")
        out.mkdir()
        Path(scratch, "layout").write_text(table, encoding="utf-8")
        _write(image, key, scratch)
        out.rename(folder)
    return Disk(folder)


def _write(image: str, key: str, scratch: str) -> None:
    binds = {f"{scratch}/out": {"bind": "/out", "mode": "rw"}, f"{scratch}/layout": {"bind": "/layout", "mode": "ro"}}
    try:
        client().containers.run(image, [key], volumes=binds, remove=True, stderr=True)
    except ContainerError as error:
        raise LabError(f"the disk could not be written: {error.stderr.decode(errors='replace')[-2000:]}") from None
