# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a project gets from its source to a registry: an entry of deploy_projects, as commands. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import OpsError
from .version import full_tag

KEYS = (
    "source", "tests", "images", "version_variable", "version_file", "health", "health_timeout", "health_from",
    "backup",
)  # fmt: skip
IMAGE_KEYS = ("name", "context", "dockerfile", "target", "args")
LABEL = "org.opencontainers.image"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image to build. ``name`` is its repository without a tag; paths are relative to the project's source."""

    name: str
    context: str
    dockerfile: str | None
    target: str | None
    args: tuple[tuple[str, str], ...]

    def build_command(self, tags: Sequence[str], labels: Mapping[str, str]) -> list[str]:
        """``docker build`` with every tag."""
        command = ["docker", "build"]
        for tag in tags:
            command += ["--tag", f"{self.name}:{tag}"]
        for name, value in labels.items():
            command += ["--label", f"{LABEL}.{name}={value}"]
        if self.dockerfile:
            command += ["--file", f"{self.context.rstrip('/')}/{self.dockerfile}"]
        if self.target:
            command += ["--target", self.target]
        for name, value in self.args:
            command += ["--build-arg", f"{name}={value}"]
        return [*command, self.context]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A checked entry: command lines of the tests, images to build."""

    tests: tuple[tuple[str, ...], ...]
    images: tuple[ImageSource, ...]

    def commands(self, version: str, date: str, commit: str) -> dict[str, object]:
        """Argument lists of each step, and the tags. ``date`` as 20261122; ``commit`` may be empty."""
        full = full_tag(version, date, commit)
        tags = (version, full)
        labels = {"version": version, **({"revision": commit} if commit else {})}
        references = [f"{image.name}:{tag}" for image in self.images for tag in tags]
        return {
            "tag": full,
            "tests": [list(command) for command in self.tests],
            "references": references,
            "build": [image.build_command(tags, labels) for image in self.images],
            "push": [["docker", "push", "--quiet", reference] for reference in references],
        }


def parse_delivery(project: str, raw: object) -> Delivery:
    """The entry of ``project`` in deploy_projects. Raises OpsError naming the key that is wrong."""
    where = f"deploy_projects.{project}"
    given = _mapping(raw or {}, where, KEYS)
    tests = _list(given.get("tests"), f"{where}.tests")
    images = _list(given.get("images"), f"{where}.images")
    return Delivery(
        tests=tuple(_words(line, f"{where}.tests") for line in tests),
        images=tuple(_image(entry, f"{where}.images[{index}]") for index, entry in enumerate(images)),
    )


def _image(raw: object, where: str) -> ImageSource:
    given = _mapping(raw, where, IMAGE_KEYS)
    name = str(given.get("name") or "")
    if not name:
        raise OpsError(f"{where}: name is missing, the image's repository such as registry.example.com/shop/backend")
    if ":" in name.rpartition("/")[2] or "@" in name:
        raise OpsError(f"{where}: name {name} has a tag; leave it out, the version becomes the tag")
    args = _mapping(given.get("args") or {}, f"{where}.args", None)
    return ImageSource(
        name=name,
        context=str(given.get("context") or "."),
        dockerfile=str(given["dockerfile"]) if given.get("dockerfile") else None,
        target=str(given["target"]) if given.get("target") else None,
        args=tuple((key, str(value)) for key, value in args.items()),
    )


def _words(line: object, where: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(str(line)))
    except ValueError as error:
        raise OpsError(f"{where}: {line!r} is not a command line: {error}") from None
    if not words:
        raise OpsError(f"{where}: holds an empty command")
    return words


def _list(value: object, where: str) -> list[object]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence):
        return list(value)
    raise OpsError(f"{where}: must be a list")


def _mapping(value: object, where: str, known: Sequence[str] | None) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise OpsError(f"{where}: must be a dictionary")
    given = {str(key): inner for key, inner in value.items() if inner is not None}
    unknown = sorted(set(given) - set(known)) if known is not None else []
    if unknown:
        raise OpsError(f"{where}: {unknown[0]} is not known; there are {', '.join(known or ())}")
    return given
