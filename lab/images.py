# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from packages of Debian (or Ubuntu) alone, built once and kept until what they are made of changes.

No public registry is asked: the base is made by mmdebstrap, everything else is a Dockerfile on top of it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import APIError, BuildError, ImageNotFound

from .engine import client
from .paths import CACHE, DEMO, IMAGES, ROOT
from .progress import LabError, step
from .topology import DISTRIBUTIONS

PREFIX = "keelson-lab"
DIGEST_LABEL = "keelson.lab.digest"
BASE_PACKAGES = {"debian": "ca-certificates,netbase", "ubuntu": "ca-certificates,netbase,apt,ubuntu-keyring"}
UBUNTU_KEY = IMAGES / "ubuntu-archive-key.asc"
"""What Ubuntu signs its archive with (F6ECB3762474EDA9D21B7022871920D1991BC93C); no package of Debian 12 has it."""
S3_PYTHON = "3.13"


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image ``keelson-lab/<name>:<tag>``: a build context on a base image of the lab."""

    name: str
    context: Path
    base: str = f"{PREFIX}/debian:trixie"
    tag: str = "latest"
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return f"{PREFIX}/{self.name}:{self.tag}"


def host_image(release: str) -> str:
    """The systemd host image of a release, built when needed."""
    base = _base(release)
    return build(Recipe("host", IMAGES / "host", base=base, tag=release, arguments={"BASE": base}))


def service_image(name: str) -> str:
    """The image of one of the lab's services."""
    return build(Recipe(name, _s3_context() if name == "s3" else IMAGES / name))


def demo_image(part: str, version: str) -> str:
    """``backend`` or ``web`` of the demonstration application, as ``version``."""
    return build(Recipe(f"demo-{part}", DEMO / part, tag=version, arguments={"VERSION": version}))


def build(recipe: Recipe) -> str:
    """Build ``recipe`` unless the image at hand is made of the same; its reference. Raises LabError."""
    base_id = _base_id(recipe.base)
    digest = _digest(recipe, base_id)
    if _labelled_digest(recipe.reference) == digest:
        return recipe.reference
    with step(f"building image {recipe.reference}"):
        try:
            client().images.build(
                path=str(recipe.context),
                tag=recipe.reference,
                buildargs=dict(recipe.arguments),
                labels={DIGEST_LABEL: digest},
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            log = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise LabError(f"image {recipe.reference} does not build: {error.msg}\n{log[-3000:]}") from None
        except APIError as error:
            raise LabError(f"image {recipe.reference} does not build: {error.explanation}") from None
    return recipe.reference


def _base(release: str) -> str:
    distribution = DISTRIBUTIONS[release]
    repository, packages = f"{PREFIX}/{distribution}", BASE_PACKAGES[distribution]
    reference = f"{repository}:{release}"
    digest = hashlib.sha256(f"{release} {packages}".encode()).hexdigest()
    if _labelled_digest(reference) == digest:
        return reference
    maker = distribution.title()
    with step(f"making the base image {reference} from {maker}'s packages"), tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "root.tar"
        command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", "--quiet"]
        if distribution == "ubuntu":
            command += [f"--keyring={UBUNTU_KEY}", "--components=main,universe"]
        done = subprocess.run([*command, release, str(archive)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"mmdebstrap {release} failed (is {maker}'s mirror reachable?): {done.stderr[-1500:]}")
        client().api.import_image_from_file(
            str(archive), repository, release, changes=[f"LABEL {DIGEST_LABEL}={digest}", 'CMD ["/bin/bash"]']
        )
    return reference


def _base_id(reference: str) -> str:
    _base(reference.rsplit(":", 1)[1])
    return str(client().images.get(reference).id)


def _labelled_digest(reference: str) -> str | None:
    try:
        labels: Mapping[str, str] = client().images.get(reference).labels
    except ImageNotFound:
        return None
    return labels.get(DIGEST_LABEL)


def _digest(recipe: Recipe, base_id: str) -> str:
    state = hashlib.sha256(f"{base_id} {sorted(recipe.arguments.items())}".encode())
    for path in sorted(recipe.context.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            state.update(f"{path.relative_to(recipe.context)} {path.stat().st_mode & 0o111}\0".encode())
            state.update(path.read_bytes())
    return state.hexdigest()


def _s3_context() -> Path:
    """The build context of the S3 server: its Dockerfile and the pinned packages, fetched by this machine's own pip."""
    pins = ROOT / "requirements" / "s3.txt"
    own = {path.name: path.read_bytes() for path in sorted((IMAGES / "s3").iterdir()) if path.is_file()}
    made_of = pins.read_bytes() + b"".join(own.values()) + S3_PYTHON.encode()
    context = CACHE / f"s3-image-{hashlib.sha256(made_of).hexdigest()[:16]}"
    if context.exists():
        return context
    CACHE.mkdir(exist_ok=True)
    with step("downloading the S3 and Secrets Manager server"), tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps"]
        command += ["--target", f"{scratch}/context/site", "--python-version", S3_PYTHON, "--only-binary=:all:"]
        done = subprocess.run([*command, "-r", str(pins)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"pip cannot download {pins.name}: {done.stderr[-1500:]}")
        for name, content in own.items():
            Path(scratch, "context", name).write_bytes(content)
        Path(scratch, "context").rename(context)
    return context
