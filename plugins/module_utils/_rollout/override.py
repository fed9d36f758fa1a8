# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the module's options choose, as a Compose override file that people's own commands find too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from .._core.atomic import write_file
from .._core.errors import OpsError

NAME = "compose.override.yaml"
MARK = "# Images chosen by keelson.ops.compose_rollout (service_settings); changes made here are lost."
READABLE = 0o644


def override_text(images: Mapping[str, str]) -> str:
    """The override file; JSON is YAML, and Compose reads it after compose.yaml by itself."""
    services = {name: {"image": image} for name, image in sorted(images.items())}
    return f"{MARK}\n{json.dumps({'services': services}, indent=2)}\n"


def images_in(text: str) -> dict[str, str] | None:
    """The images that a file of ours chooses; None for a file that is somebody else's."""
    if not text.startswith(MARK):
        return None
    try:
        services = json.loads(text.partition("\n")[2])["services"]
        return {str(name): str(spec["image"]) for name, spec in services.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class OverrideFile:
    """``compose.override.yaml`` in the project's directory, as far as it is ours."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME

    def images(self) -> dict[str, str]:
        """What it chooses now; nothing when it is not there or not ours. Raises OpsError when it cannot be read."""
        return self._read() or {}

    def merged(self, chosen: Mapping[str, str], services: Iterable[str]) -> dict[str, str]:
        """``chosen``, and what other services than the ones being deployed have been given before.

        Raises OpsError when images are to be chosen and the file is the user's own.
        """
        if chosen and self._read() is None:
            raise OpsError(
                f"service_settings: image goes into {self.path}, which is there already and not of this module. Put "
                "the image into it yourself (such as image: shop:${VERSION}, set in an env file), or rename it and "
                "name it in files"
            )
        deployed = set(services)
        kept = {name: image for name, image in self.images().items() if deployed and name not in deployed}
        return {**kept, **chosen}

    def publish(self, images: Mapping[str, str]) -> bool:
        """Make the file choose exactly these, or vanish when there are none; whether that changed it."""
        former = self._read()
        if former is None or former == dict(images):
            return False
        try:
            if images:
                write_file(self.path, override_text(images).encode(), mode=READABLE)
            else:
                self.path.unlink()
        except OSError as error:
            raise OpsError(f"project_directory: {self.path} cannot be written: {error.strerror}") from None
        return True

    def differs(self, images: Mapping[str, str]) -> bool:
        """Whether ``publish`` would change it."""
        return self._read() not in (None, dict(images))

    def _read(self) -> dict[str, str] | None:
        try:
            return images_in(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise OpsError(f"project_directory: {self.path} cannot be read ({type(error).__name__})") from None
