# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to a Compose definition, and what is read out of it. Pure; the user's own words always win."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .environment import Variable

Definition = dict[str, object]


def harden(definition: Mapping[str, object], defaults: Mapping[str, object]) -> Definition:
    """The definition with ``defaults`` in every service, under each key that the service does not have itself."""
    services = _mapping(definition.get("services"))
    once = set(_run_once(services))
    hardened = {name: _hardened(_mapping(service), defaults, name in once) for name, service in services.items()}
    return {**definition, "services": hardened}


def declare_secrets(definition: Mapping[str, object], names: Iterable[str]) -> Definition:
    """The definition with a top-level secret for each file of ``secrets/`` that it does not declare itself."""
    declared = {name: {"file": f"./secrets/{name}"} for name in names} | _mapping(definition.get("secrets"))
    return {**definition, "secrets": declared} if declared else dict(definition)


def literal_variables(definition: Mapping[str, object]) -> list[Variable]:
    """Variables written into the services themselves; those filled from an env file by ${...} are not."""
    found = []
    for name, service in _mapping(definition.get("services")).items():
        for variable, value in _pairs(_mapping(service).get("environment")):
            if value and "$" not in value.replace("$$", ""):
                found.append(Variable(variable, value, f"services.{name}.environment"))
    return found


def _hardened(service: Definition, defaults: Mapping[str, object], once: bool) -> Definition:
    merged = {**defaults, **service}
    deploy = _mapping(service.get("deploy"))
    resources = _mapping(deploy.get("resources"))
    limits = _mapping(resources.get("limits"))
    if limits and "pids_limit" in defaults and "pids_limit" not in service:
        # Compose refuses pids_limit beside limits that do not say the same.
        limits = {"pids": merged.pop("pids_limit"), **limits}
        merged["deploy"] = {**deploy, "resources": {**resources, "limits": limits}}
    if once and "restart" not in service:
        merged["restart"] = "no"
    return merged


def _run_once(services: Mapping[str, object]) -> Iterator[str]:
    for service in services.values():
        for name, dependency in _mapping(_mapping(service).get("depends_on")).items():
            if _mapping(dependency).get("condition") == "service_completed_successfully":
                yield name


def _pairs(environment: object) -> Iterator[tuple[str, str]]:
    if isinstance(environment, Mapping):
        for name, value in environment.items():
            yield str(name), "" if value is None else str(value)
    elif isinstance(environment, (list, tuple)):
        for entry in environment:
            name, _equals, value = str(entry).partition("=")
            yield name, value


def _mapping(value: object) -> Definition:
    return {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}
