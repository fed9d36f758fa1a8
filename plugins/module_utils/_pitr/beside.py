# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server on a restored directory: started, waited for until it left recovery, asked, stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .._backup.settings import Assertion
from .._core.clock import Clock
from .._core.command import CommandFailed
from .._core.errors import OpsError
from .cluster import LONG, Cluster, Place, ask

POLL_SECONDS = 0.5
START_SECONDS = 30.0
"""Within these a server that doesn't say why it ended may not have begun yet: it writes its process' number late."""
_NEVER_REACHED = "recovery ended before configured recovery target was reached"


class RecoveryError(OpsError):
    """What was restored didn't recover, or isn't what it should be."""


@contextmanager
def recovered(cluster: Cluster, place: Place, *, archive: bool, timeout: float, clock: Clock) -> Iterator[None]:
    """A server on ``place`` that has reached its target and takes writes; stopped cleanly at the end.

    Raises RecoveryError when it dies, or doesn't get there in ``timeout`` seconds.
    """
    try:
        cluster.start_beside(place, archive=archive)
        wait_until_recovered(cluster, place, timeout, clock)
        yield
    finally:
        cluster.stop_beside(place)


def wait_until_recovered(cluster: Cluster, place: Place, timeout: float, clock: Clock) -> None:
    """Wait until the server beside the live one answers that it isn't in recovery.

    pg_ctl's own waiting ends when it takes connections, which is before the target is reached.
    """
    began, seen = clock.monotonic(), False
    deadline = began + timeout
    while True:
        try:
            if ask(cluster, "SELECT pg_is_in_recovery()", beside=True) == "f":
                return
        except CommandFailed:
            alive, log = cluster.alive_beside(place), cluster.log_beside(place)
            seen = seen or alive
            if not alive and (seen or "FATAL" in log or clock.monotonic() >= began + START_SECONDS):
                raise _died(log) from None
        if clock.monotonic() >= deadline:
            log = cluster.log_beside(place)
            raise RecoveryError(f"not recovered within {timeout:g} s (option recovery_timeout): {log}")
        clock.sleep(POLL_SECONDS)


def _died(log: str) -> RecoveryError:
    if _NEVER_REACHED in log:
        return RecoveryError("what was archived ends before target_time; restore to 'latest' for all there is", log=log)
    return RecoveryError(f"the restored server ended during recovery: {log}", log=log)


def check_assertions(cluster: Cluster, assertions: Sequence[Assertion]) -> None:
    """Raise RecoveryError unless every statement answers true on the server beside the live one."""
    for assertion in assertions:
        answer = ask(cluster, assertion.sql, database=assertion.database or "postgres", beside=True, timeout=LONG)
        if answer != "t":
            raise RecoveryError(f"assertion {assertion.name or assertion.sql!r} answered {answer!r} instead of true")
