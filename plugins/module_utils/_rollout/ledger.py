# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembering what runs: a new release when it differs from the last one, its images kept, old ones let go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .._core.clock import Clock
from .options import Options
from .plan import ServicePlan
from .record import make_release, resolved_to_keep
from .releases import Release, ReleaseStore
from .runtime import Container, Engine, Image
from .target import Target


class Ledger:
    """Writes releases into their store, and the names that protect their images into the Engine."""

    def __init__(self, engine: Engine, store: ReleaseStore, clock: Clock) -> None:
        self._engine = engine
        self._store = store
        self._clock = clock

    def as_running(self, target: Target, current: Release) -> Release:
        """The current release with the containers that run it now."""
        records = dict(current.services)
        containers = self._engine.containers(target.project.name)
        for name in target.services:
            own = tuple(c.id for c in containers if c.service == name)
            digest = target.project.services[name].content.digest
            records[name] = replace(records[name], containers=own, content_digest=digest)
        return replace(current, services=records)

    def unrecorded(
        self, options: Options, target: Target, containers: Sequence[Container], plans: Iterable[ServicePlan]
    ) -> Release | None:
        """The release to record; None when the current one already says all of it."""
        current = self._store.current()
        images: dict[str, Image] = {}
        for name in target.services:
            reference = target.project.services[name].image
            images[reference] = self._engine.image(reference) or Image(target.images[reference] or "")
        version = options.version
        if target.restored is not None:
            version = next(r.version for r in self._store.all() if r.number == target.restored)
        release = make_release(
            target,
            containers,
            images,
            current,
            version=version,
            finished=self._clock.now().timestamp(),
            times=options.times(),
            strategies={plan.service: plan.strategy.name for plan in plans},
            proxies=options.proxies or (),
        )
        if current is None or not release.same_as(current):
            return release
        return None if version in (None, current.version) else release

    def record(
        self, options: Options, target: Target, plans: Sequence[ServicePlan], seconds: float, *, changed: bool
    ) -> tuple[Release, bool]:
        """The release that runs now, and whether it is a new one; ``seconds`` is what the rollout took."""
        containers = self._engine.containers(target.project.name)
        current = self._store.current()
        release = self.unrecorded(options, target, containers, plans)
        if release is None:
            if current is None:
                raise AssertionError("what is recorded already is the current release")
            proxies = list(options.proxies or ())
            if changed or list(current.proxies) != proxies:
                seconds = seconds if changed else current.seconds
                current = replace(self.as_running(target, current), seconds=seconds, proxies=proxies)
                self._store.save(current, self._store.resolved(current.number))
            return current, False
        release = replace(release, seconds=seconds)
        for record in release.services.values():
            repository, _unused, tag = record.tag.rpartition(":")
            if tag == f"rollout-{release.number}":
                self._engine.tag(record.image_id, repository, tag)
        former = None if current is None else self._store.resolved(current.number)
        self._store.save(release, resolved_to_keep(target, former))
        self._forget_old(options)
        return release, True

    def _forget_old(self, options: Options) -> None:
        """Drop releases beyond keep_releases, and the tags that no kept release names."""
        releases = self._store.all()
        kept = releases[-options.keep_releases :]
        named = {record.tag for release in kept for record in release.services.values()}
        for release in releases[: -options.keep_releases]:
            for record in release.services.values():
                if record.tag not in named:
                    self._engine.untag(record.tag)
            self._store.forget(release.number)
