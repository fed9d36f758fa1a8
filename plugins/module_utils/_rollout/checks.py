# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the health engine against one container, beside Docker's own health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .._core.errors import OpsError
from .runtime import Container

Checks = Sequence[Mapping[str, Any]]
KINDS = frozenset(("http", "tcp"))
CREDENTIALS = frozenset(("headers", "username", "password", "body"))


class Checker(Protocol):
    """Waits for containers, and looks at them from outside."""

    def wait(self, containers: Sequence[Container], checks: Checks, *, timeout: float, stable_for: float) -> None:
        """Return when every container and all checks of each are healthy.

        Raises NotReadyError at the first container that failed, or after ``timeout`` seconds.
        """

    def wait_completed(self, container: Container, *, timeout: float) -> None:
        """Return when a container has exited with code 0. Raises NotReadyError otherwise."""

    def look(self, container: Container, checks: Checks) -> str | None:
        """None when all checks are healthy now, else what is wrong. Raises OpsError."""


def validate(checks: Checks) -> None:
    """Raises OpsError for checks that make no sense, before anything is touched.

    Only kinds and options without credentials: Ansible knows secrets only of options that are declared one by one.
    """
    for check in checks:
        wrong = set(check) - KINDS - {"name", "timeout", "interval", "probe_timeout", "successes", "stable_for"}
        wrong |= {f"http.{key}" for key in check.get("http") or {} if key in CREDENTIALS}
        if wrong:
            raise OpsError(
                f"service_settings.checks: {', '.join(sorted(wrong))} cannot be used here; a check is http or tcp, "
                "without credentials. Use health_wait after the deployment for others"
            )
    if checks:
        from .._health.parse import parse_checks, parse_policy  # noqa: PLC0415 - all kinds of checks; most need none

        sample = addressed(checks, Container("", "container", "", 1, "", "", "running", address="127.0.0.1"))
        parse_checks(sample, parse_policy({}, len(sample)), "service_settings.checks")


def addressed(checks: Checks, container: Container) -> list[dict[str, Any]]:
    """The checks with ``{address}`` and ``{container}`` put in."""
    if not container.address and "{address}" in repr(checks):
        raise OpsError(f"service_settings.checks: container {container.name} has no address for {{address}}")
    return [{key: _filled(value, container) for key, value in check.items()} for check in checks]


def _filled(value: Any, container: Container) -> Any:
    if isinstance(value, str):
        return value.replace("{address}", container.address).replace("{container}", container.name)
    if isinstance(value, Mapping):
        return {key: _filled(inner, container) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(inner, container) for inner in value]
    return value
