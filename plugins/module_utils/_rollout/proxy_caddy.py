# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy: upstreams by its administration endpoint, and kept in a file that the Caddyfile imports."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._core.clock import Clock
from .._core.command import Command, Runner
from .._core.errors import OpsError
from . import caddy_config
from .caddy_admin import Admin, Loaded, UnreachableError
from .caddy_checks import Loading, Loadings, await_gap
from .proxy import PUBLISHED, ProxySetting, caddy_text, upstreams_in
from .proxy_file import put_text, read_text
from .sockets import Connected, connected
from .stand_in import StandIn

ATTEMPTS = 5
RELOAD = ("systemctl", "reload", "caddy.service")
RELOAD_SECONDS = 60.0
UNCHECKED = (
    "proxy: Caddy's reverse_proxy for service {service} has no active health check. Give it one (health_uri): Caddy "
    "before 2.11.2 answers 502 to a request with a body that it first sent to a port that nobody listens on"
)


class CaddyProxy:
    """Proxy by administration endpoint and imported file."""

    def __init__(
        self,
        setting: ProxySetting,
        project: str,
        admin: Admin,
        runner: Runner,
        clock: Clock,
        *,
        loadings: Loadings,
        connected: Connected = connected,
    ) -> None:
        self.setting = setting
        self._project = project
        self._admin = admin
        self._runner = runner
        self._clock = clock
        self._loadings = loadings
        self._connected = connected
        self._ports: set[int] = set()
        self._former: frozenset[str] = frozenset()

    def check(self, known: Sequence[str]) -> str | None:
        """Caddy must answer and send requests to this service, and look by itself which ports are in use."""
        found = self._found(self._admin.load().config, known)
        if not found:
            raise self._not_found()
        if self.setting.address == PUBLISHED and not all(caddy_config.looks_by_itself(handler) for handler in found):
            return UNCHECKED.format(service=self.setting.service)
        return None

    def current(self, known: Sequence[str]) -> tuple[str, ...] | None:
        """What the running configuration says, or what the file says of one that does not run."""
        try:
            found = self._found(self._admin.load().config, self._all(known))
        except UnreachableError:
            found = []
        if found:
            return caddy_config.dials(found[0])
        text = read_text(self.setting.file)
        return None if text is None else upstreams_in(text)

    def follows(self, upstreams: Sequence[str], known: Sequence[str]) -> bool:
        """Whether both the file and the running configuration say so."""
        if not self._is_kept(upstreams):
            return False
        try:
            found = self._found(self._admin.load().config, self._all(known))
        except UnreachableError:
            return self.setting.file is not None
        return bool(found) and all(caddy_config.dials(handler) == tuple(upstreams) for handler in found)

    def route(self, upstreams: Sequence[str], known: Sequence[str], *, eager: bool) -> None:
        """File first, then the running configuration: killed in between, the next run sees that they differ."""
        known = self._all((*known, *upstreams))
        former = read_text(self.setting.file)
        if self.setting.file is not None and not self._is_kept(upstreams):
            put_text(self.setting.file, caddy_text(self.setting, self._project, upstreams))
        try:
            self._apply(upstreams, known, eager=eager)
        except UnreachableError:
            if not eager and self.setting.file is not None:
                return
            put_text(self.setting.file, former)
            raise
        except OpsError:
            put_text(self.setting.file, former)
            raise

    def idle(self) -> bool | None:
        """Caddy answers a connection by the configuration with which it took it, however late the request comes.

        (net/http's Server.Shutdown closes one that has asked nothing after five seconds, an idle one at once.) Those of
        a Caddy that has a network of its own, and those over HTTP/3, cannot be seen here.
        """
        self._former &= self._connected(self._ports)
        return False if self._former else None

    def _apply(self, upstreams: Sequence[str], known: Sequence[str], *, eager: bool) -> None:
        for _unused in range(ATTEMPTS):
            loaded = self._admin.load()
            found = self._found(loaded.config, known)
            if not found:
                self._read_in(known, eager=eager)
                return
            if all(caddy_config.dials(handler) == tuple(upstreams) for handler in found):
                return
            wanted = caddy_config.routed(loaded.config, upstreams, known, self.setting.id)
            self._await_gap(loaded, found)
            with _standing_in(found, upstreams):
                replaced = self._replace(loaded, wanted)
                self._ports = caddy_config.ports(loaded.config)
                self._former = self._connected(self._ports)
            if replaced:
                return
        raise OpsError(
            f"proxy: {self.setting.label}: its configuration was changed by others {ATTEMPTS} times in a row"
        )

    def _await_gap(self, loaded: Loaded, found: Sequence[dict[str, Any]]) -> None:
        seconds = [every for handler in found if (every := caddy_config.check_seconds(handler)) is not None]
        await_gap(self._admin.checking, self._loadings.of(loaded.config), seconds, self._clock)

    def _replace(self, loaded: Loaded, wanted: Any) -> bool:
        began = self._clock.monotonic()
        replaced = self._admin.replace(loaded, wanted)
        if replaced:
            self._loadings.remember(wanted, Loading(began, self._clock.monotonic()))
        return replaced

    def _read_in(self, known: Sequence[str], *, eager: bool) -> None:
        """Let Caddy read its Caddyfile: it has not seen our file yet."""
        if eager or self.setting.file is None or self.setting.id is not None:
            raise self._not_found()
        self._runner.run(Command(RELOAD), timeout=RELOAD_SECONDS)
        if not self._found(self._admin.load().config, known):
            raise self._not_found()

    def _is_kept(self, upstreams: Sequence[str]) -> bool:
        file = self.setting.file
        return file is None or read_text(file) == caddy_text(self.setting, self._project, upstreams)

    def _all(self, known: Sequence[str]) -> tuple[str, ...]:
        return (*known, *upstreams_in(read_text(self.setting.file) or ""))

    def _found(self, config: object, known: Sequence[str]) -> list[dict[str, object]]:
        return caddy_config.handlers(config, self._all(known), self.setting.id)

    def _not_found(self) -> OpsError:
        if self.setting.id is not None:
            return OpsError(f"proxy: Caddy runs without a reverse_proxy handler that has the @id {self.setting.id}")
        wanted = (
            f"import {self.setting.file} inside its reverse_proxy block and reload Caddy"
            if self.setting.file is not None
            else "give its reverse_proxy every port of the published range"
        )
        return OpsError(
            f"proxy: Caddy has no reverse_proxy handler whose upstreams are those of service {self.setting.service}: "
            f"{wanted}, or name the handler by id"
        )


def _standing_in(found: Sequence[dict[str, Any]], upstreams: Sequence[str]) -> AbstractContextManager[object]:
    """Somebody to listen where nobody does until Caddy has looked, when it gets such upstreams and looks at all.

    Each handler looks by itself, and every port is left only when the last of them has found out.
    """
    serving = caddy_config.dials(found[0])
    unknown = [address for address in upstreams if address not in serving]
    looks = [probing for handler in found if (probing := caddy_config.probing(handler)) is not None]
    if not looks or not unknown or not set(serving) <= set(upstreams):
        return contextlib.nullcontext()
    paths, checks = zip(*looks, strict=True)
    return StandIn(unknown, serving, paths, sum(checks))
