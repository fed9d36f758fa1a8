# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be shown: secrets of the project masked in logs, definitions as digests in the diff. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._core.masking import mask

if TYPE_CHECKING:
    from .plan import ServicePlan
    from .project import Project
    from .runtime import Container

SECRET_NAME = re.compile(r"pass|secret|token|key|credential|auth|dsn|private|salt|signature", re.IGNORECASE)
URL_PASSWORD = re.compile(r"\w+://[^\s:/@]*:([^\s@]+)@")
SHORTEST = 4
HEALTH_CHARACTERS = 400


def secrets_of(resolved: Mapping[str, Any], file_texts: Iterable[str]) -> tuple[str, ...]:
    """Values that must not be shown: of variables named like a secret, passwords in URLs, and secret files."""
    found: set[str] = set()
    for spec in (resolved.get("services") or {}).values():
        for name, value in (spec.get("environment") or {}).items():
            text = str(value or "").replace("$$", "$")
            if SECRET_NAME.search(name):
                found.add(text)
            found.update(URL_PASSWORD.findall(text))
    for text in file_texts:
        found.update(line.strip() for line in text.splitlines())
        found.add(text.strip())
    return tuple(sorted(secret for secret in found if len(secret) >= SHORTEST))


def masked(value: Any, secrets: Sequence[str]) -> Any:
    """``value`` with the secrets masked in every text inside it."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, Mapping):
        return {key: masked(inner, secrets) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, secrets) for inner in value]
    return value


def shortened(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a failure with the end of what each health check said; after masking, which finds no half secret."""
    log = (facts.get("diagnostics") or {}).get("health_log") or ()
    brief = [{**entry, "output": entry["output"][-HEALTH_CHARACTERS:]} for entry in log]
    return {**facts, "diagnostics": {**facts["diagnostics"], "health_log": brief}} if brief else facts


def difference(
    project: Project,
    plans: Sequence[ServicePlan],
    containers: Iterable[Container],
    images: Mapping[str, str | None],
    proxies: Iterable[Mapping[str, Any]] = (),
) -> dict[str, str]:
    """Ansible's diff: what runs and what is to run, as digests and numbers, and where the proxies send requests."""
    running = list(containers)
    before: list[str] = []
    after: list[str] = []
    for plan in plans:
        service = project.services[plan.service]
        own = [c for c in running if c.service == plan.service]
        before += _text(plan.service, [(c.config_hash, c.image_id) for c in own])
        image = images.get(service.image)
        wanted = (service.config_hash, image or f"{service.image} (to be pulled)")
        count = len(own) if plan.action == "none" else plan.replicas
        after += _text(plan.service, [wanted] * count)
    for proxy in proxies:
        title = f"{proxy['type']} in front of {proxy['service']}:"
        before += [title, *(f"  {address}" for address in proxy["before"])]
        after += [title, *(f"  {address}" for address in proxy["after"])]
    return {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"}


def _text(service: str, instances: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"{service}:"]
    for config_hash, image in sorted(set(instances)):
        count = instances.count((config_hash, image))
        shown = image.removeprefix("sha256:")[:12] if image.startswith("sha256:") else image
        lines.append(f"  {count} x definition {config_hash[:12]} image {shown}")
    return lines
