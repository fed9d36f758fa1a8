# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate each site shows, and what has to be made for that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from .._core.errors import OpsError

ACME = "acme"
INTERNAL = "internal"
PLACEHOLDER = "placeholder"
# Apple's limit for authorities that users added themselves; others accept it too.
INTERNAL_DAYS = 825
INTERNAL_RENEW_DAYS = 275


@dataclass(frozen=True, slots=True)
class Wanted:
    """A site's certificate: ``name`` is also the name of its directory, ``source`` one of ACME and INTERNAL."""

    name: str
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on disk. ``server`` is the directory of the ACME server that issued it, when one did."""

    names: frozenset[str]
    not_after: datetime
    server: str | None = None

    def serves(self, wanted: Wanted, now: datetime) -> bool:
        return self.not_after > now and self.names.issuperset(wanted.names)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a host holds for one site; ``link`` is where its directory points to."""

    link: str | None = None
    acme: Certificate | None = None
    internal: Certificate | None = None
    placeholder: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories: ``served`` holds a link for each site, ``live`` is certbot's, ``own`` what this host signs."""

    served: PurePosixPath
    live: PurePosixPath
    own: PurePosixPath

    def directory(self, source: str, name: str) -> PurePosixPath:
        return self.live / name if source == ACME else self.own / source / name


@dataclass(frozen=True, slots=True)
class SitePlan:
    """``make`` is the certificate to make first, if any; then the site's directory points to ``target``."""

    wanted: Wanted
    make: str | None
    target: str
    reason: str
    relink: bool
    reissue: bool = False

    @property
    def changed(self) -> bool:
        return self.make is not None or self.relink


def check(wanted: Sequence[Wanted]) -> None:
    """Raise OpsError for names that cannot be file names and for two sites of one name."""
    seen = set()
    for site in wanted:
        if not site.names or "/" in site.name or site.name.startswith("."):
            raise OpsError(f"sites: {site.name!r} with names {list(site.names)} is not a site's name")
        if site.name in seen:
            raise OpsError(f"sites: {site.name} is listed twice; give each site a first name of its own")
        seen.add(site.name)


def servable(wanted: Wanted, observed: Observed, layout: Layout, now: datetime) -> SitePlan:
    """Something to show at once, so that the web server can start: the best there is, a placeholder otherwise."""
    if wanted.source == INTERNAL:
        return _internal(wanted, observed, layout, now)
    if observed.acme is not None:
        return _plan(wanted, observed, layout, ACME, "issued before")
    make = PLACEHOLDER if observed.placeholder is None else None
    return _plan(wanted, observed, layout, PLACEHOLDER, "nothing issued yet", make=make)


def issued(wanted: Wanted, observed: Observed, layout: Layout, now: datetime, server: str | None) -> SitePlan:
    """The certificate that clients are to see; ``server`` is the ACME directory wanted, None for certbot's default."""
    if wanted.source == INTERNAL:
        return _internal(wanted, observed, layout, now)
    held = observed.acme
    if held is None:
        return _plan(wanted, observed, layout, ACME, "nothing issued yet", make=ACME)
    if server is not None and held.server != server:
        reason = f"issued by {held.server or 'another server'}"
        return _plan(wanted, observed, layout, ACME, reason, make=ACME, reissue=True)
    if not held.serves(wanted, now):
        missing = sorted(set(wanted.names) - held.names)
        reason = f"without {', '.join(missing)}" if missing else "expired"
        return _plan(wanted, observed, layout, ACME, reason, make=ACME)
    return _plan(wanted, observed, layout, ACME, "valid")


def _internal(wanted: Wanted, observed: Observed, layout: Layout, now: datetime) -> SitePlan:
    held = observed.internal
    good = held is not None and held.serves(wanted, now + timedelta(days=INTERNAL_RENEW_DAYS))
    if good:
        return _plan(wanted, observed, layout, INTERNAL, "valid")
    return _plan(wanted, observed, layout, INTERNAL, "missing or old", make=INTERNAL)


def _plan(
    wanted: Wanted,
    observed: Observed,
    layout: Layout,
    source: str,
    reason: str,
    *,
    make: str | None = None,
    reissue: bool = False,
) -> SitePlan:
    target = str(layout.directory(source, wanted.name))
    return SitePlan(wanted, make, target, reason, relink=observed.link != target, reissue=reissue)
