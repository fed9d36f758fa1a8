# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a successful rollout is remembered by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .releases import Release, ServiceRecord, image_repository
from .runtime import Container, Image
from .target import Target


def make_release(
    target: Target,
    containers: Iterable[Container],
    images: Mapping[str, Image],
    current: Release | None,
    *,
    version: str | None,
    finished: float,
    times: Mapping[str, float],
    strategies: Mapping[str, str],
    proxies: Sequence[Mapping[str, Any]],
) -> Release:
    """The release that runs now: the target's services, and the others as the current release has them.

    Its number is the current one's when nothing but containers differs, else the next. Without a ``version`` the same
    images keep their name: a deployment of new secrets is no new version.
    """
    running = list(containers)
    number = 1 if current is None else current.number + 1
    records = {} if current is None else {n: r for n, r in current.services.items() if n in target.project.services}
    for name in target.services:
        service = target.project.services[name]
        own = tuple(c.id for c in running if c.service == name)
        image = images[service.image]
        records[name] = ServiceRecord(
            image=service.image,
            image_id=image.id,
            image_digests=image.digests,
            tag=f"{image_repository(target.project.name, name)}:rollout-{number}",
            config_hash=service.config_hash,
            content_digest=service.content.digest,
            replicas=service.replicas,
            containers=own,
            once=service.once,
            strategy=strategies.get(name, ""),
        )
    if version is None and current is not None and _images(records) == _images(current.services):
        version = current.version
    return Release(number, version, finished, 0.0, target.restored, records, times, list(proxies))


def _images(records: Mapping[str, ServiceRecord]) -> dict[str, str]:
    # What ran once is not what runs: a rollback leaves it as it was.
    return {name: record.image_id for name, record in records.items() if not record.once}


def resolved_to_keep(target: Target, former: Mapping[str, Any] | None) -> dict[str, Any]:
    """The resolved project of the release: services that were not deployed stay as they were."""
    resolved = dict(target.project.resolved)
    if former is None:
        return resolved
    services = dict(resolved["services"])
    for name, spec in (former.get("services") or {}).items():
        if name in services and name not in target.services:
            services[name] = spec
    merged = {
        kind: {**(former.get(kind) or {}), **(resolved.get(kind) or {})}
        for kind in _TOP
        if _has(kind, former, resolved)
    }
    return {**resolved, **merged, "services": services}


_TOP = ("networks", "volumes", "secrets", "configs")


def _has(kind: str, *documents: Mapping[str, Any]) -> bool:
    return any(kind in document for document in documents)
