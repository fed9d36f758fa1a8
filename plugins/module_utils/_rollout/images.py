# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the services get, and keeping those of an earlier release."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from .._core.errors import OpsError
from .project import Project, Service
from .releases import Release, ServiceRecord
from .runtime import Engine


def resolve_images(
    engine: Engine, project: Project, services: Iterable[str], *, pull: str, write: bool
) -> dict[str, str | None]:
    """The image id of each reference; None for one that would be pulled, which happens only with ``write``.

    Raises OpsError naming the service and the fix for an image that cannot be had.
    """
    found: dict[str, str | None] = {}
    for name in services:
        service = project.services[name]
        if service.image not in found:
            found[service.image] = _resolve(engine, service, pull=pull, write=write)
    return found


def _resolve(engine: Engine, service: Service, *, pull: str, write: bool) -> str | None:
    reference = service.image
    here = engine.image(reference)
    if here is not None and (pull != "always" or service.builds or not write):
        return here.id
    if service.builds:
        raise OpsError(
            f"service {service.name}: image {reference} has not been built: run docker compose build {service.name}"
        )
    if pull == "never":
        raise OpsError(
            f"service {service.name}: image {reference} is not on this host and pull is never; "
            "load it, correct the reference, or set pull: missing"
        )
    if not write:
        return None
    try:
        return engine.pull(reference).id
    except OpsError as error:
        raise OpsError(
            f"service {service.name}: {error.message}. Check the image in the Compose file and that this host "
            "reaches the registry and may log in there (option registry); nothing was changed",
            service=service.name,
            image=reference,
        ) from None


def pinned(resolved: Mapping[str, Any], release: Release, engine: Engine) -> dict[str, Any]:
    """The resolved project of a release, with each image that its reference no longer means named by the kept tag."""
    project = copy.deepcopy(dict(resolved))
    for name, record in release.services.items():
        spec = project["services"].get(name)
        if spec is not None:
            spec["image"] = _kept_reference(engine, name, record, release.number)
            spec.pop("build", None)
    return project


def _kept_reference(engine: Engine, service: str, record: ServiceRecord, number: int) -> str:
    for reference in (record.image, record.tag):
        image = engine.image(reference)
        if image is not None and image.id == record.image_id:
            return reference
    if record.image_digests:
        return record.image_digests[0]
    raise OpsError(
        f"release {number} cannot be restored: image {record.image_id} of service {service} was removed from this "
        "host (docker image prune --all?) and has no registry to fetch it from"
    )
