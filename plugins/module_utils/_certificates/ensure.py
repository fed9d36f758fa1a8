# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the sites wanted to certificates shown: plan all, then make, link, reload."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.clock import Clock
from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .certbot import ISSUE_SECONDS, Account, issue_command
from .plan import ACME, INTERNAL, INTERNAL_DAYS, PLACEHOLDER, Layout, SitePlan, Wanted, check, issued, servable
from .store import CertificateStore
from .x509 import new_authority, new_certificate

PLACEHOLDER_DAYS = 30
RELOAD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a task asks for; ``final`` is False while a placeholder will do."""

    sites: tuple[Wanted, ...]
    layout: Layout
    account: Account
    webroot: str
    final: bool
    reload_unit: str | None = None


def reload_command(unit: str) -> tuple[str, ...]:
    """The call that shows new certificates to clients without closing a connection."""
    return ("systemctl", "try-reload-or-restart", unit)


class Certificates:
    """Brings the certificates of a host to what is asked for."""

    def __init__(self, request: Request, store: CertificateStore, runner: Runner, clock: Clock) -> None:
        self._request = request
        self._store = store
        self._runner = runner
        self._clock = clock

    def plan(self) -> list[SitePlan]:
        """What has to be done, site by site. Raises OpsError for names that cannot be."""
        request = self._request
        check(request.sites)
        now = self._clock.now()
        plans = []
        for site in request.sites:
            observed = self._store.observe(site)
            if request.final:
                plans.append(issued(site, observed, request.layout, now, request.account.server))
            else:
                plans.append(servable(site, observed, request.layout, now))
        return plans

    def apply(self, plans: Sequence[SitePlan]) -> None:
        """Carry the plans out. One site's failure keeps no other from its certificate; raises OpsError at the end."""
        failures: dict[str, str] = {}
        for plan in plans:
            try:
                self._make(plan)
                if plan.changed:
                    self._store.note_unseen()
                    self._store.link(plan.wanted.name, plan.target)
            except OpsError as error:
                failures[plan.wanted.name] = error.message
        if self._store.unseen:
            self._reload()
        if failures:
            text = "; ".join(f"{name}: {told}" for name, told in failures.items())
            raise OpsError(text, failed_sites=sorted(failures))

    def result(self, plans: Sequence[SitePlan]) -> dict[str, object]:
        """What was decided, without anything secret."""
        certificates = [
            {
                "name": plan.wanted.name,
                "names": list(plan.wanted.names),
                "directory": plan.target,
                "made": plan.make,
                "reason": plan.reason,
            }
            for plan in plans
        ]
        return {"changed": any(plan.changed for plan in plans), "certificates": certificates}

    def _make(self, plan: SitePlan) -> None:
        wanted, now = plan.wanted, self._clock.now()
        if plan.make == ACME:
            self._issue(plan)
        elif plan.make == PLACEHOLDER:
            self._store.save(PLACEHOLDER, wanted.name, new_certificate(wanted.names, PLACEHOLDER_DAYS, now))
        elif plan.make == INTERNAL:
            authority = self._store.authority()
            if authority is None:
                authority = new_authority("keelson internal authority", now)
                self._store.save_authority(authority)
            self._store.save(INTERNAL, wanted.name, new_certificate(wanted.names, INTERNAL_DAYS, now, authority))

    def _issue(self, plan: SitePlan) -> None:
        command = issue_command(
            plan.wanted, self._request.account, self._request.webroot, self._hook(), reissue=plan.reissue
        )
        try:
            self._runner.run(command, timeout=ISSUE_SECONDS)
        except CommandFailed as error:
            raise OpsError(
                "the ACME server issued no certificate; each name has to lead to this host, and that server has to "
                f"reach its port 80 ({error.message})"
            ) from None

    def _hook(self) -> str | None:
        unit = self._request.reload_unit
        return None if unit is None else shlex.join(reload_command(unit))

    def _reload(self) -> None:
        unit = self._request.reload_unit
        if unit is not None:
            # A unit that is not running reads its certificates when it starts.
            self._runner.run(Command(reload_command(unit)), timeout=RELOAD_SECONDS)
            self._store.note_seen()
