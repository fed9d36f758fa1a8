# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration of Caddy is replaced between two of its health checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._rollout.caddy_checks import (
    PATIENCE_SECONDS,
    Loading,
    Loadings,
    await_gap,
)
from ansible_collections.keelson.ops.plugins.module_utils._rollout.caddy_config import check_seconds

BEGAN = 1000.0
PHASES = [step / 20 for step in range(41)]


@dataclass
class Caddy:
    """Its clock, and checks of ``lasting`` seconds, every ``interval`` seconds since it was loaded."""

    interval: float
    lasting: float
    seconds: float
    loaded: float = BEGAN + 0.02

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, timezone.utc)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def checking(self, ahead: float = 0.0) -> bool:
        return (self.seconds + ahead - self.loaded) % self.interval < self.lasting


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("interval", "lasting"), [(1.0, 0.3), (2.0, 0.002), (2.0, 1.0), (0.4, 0.1)])
def test_no_check_begins_while_a_configuration_is_loaded(interval: float, lasting: float, phase: float) -> None:
    caddy = Caddy(interval, lasting, BEGAN + 100 * interval + phase)
    before = caddy.seconds
    await_gap(caddy.checking, Loading(BEGAN, BEGAN + 0.05), [interval], caddy)
    loading = min(0.2, interval / 4)
    assert not any(caddy.checking(loading * part / 10) for part in range(11))
    assert caddy.seconds - before < lasting + loading + 0.1


@pytest.mark.parametrize("phase", PHASES)
def test_a_check_under_way_is_waited_for_whoever_loaded_the_configuration(phase: float) -> None:
    caddy = Caddy(1.0, 0.5, BEGAN + phase)
    await_gap(caddy.checking, None, [1.0], caddy)
    assert not caddy.checking()


def test_checks_without_a_gap_are_not_waited_for_for_ever() -> None:
    caddy = Caddy(1.0, 1.0, BEGAN)
    await_gap(caddy.checking, Loading(BEGAN, BEGAN + 0.05), [1.0], caddy)
    assert PATIENCE_SECONDS <= caddy.seconds - BEGAN < PATIENCE_SECONDS + 1.0


def test_a_loading_is_remembered_with_its_configuration(tmp_path: Path) -> None:
    directory = tmp_path / "keelson"
    ours = Loadings("http://localhost:2019", directory)
    assert ours.of({"apps": {}}) is None
    ours.remember({"apps": {}, "admin": None}, Loading(1.5, 2.0))
    assert ours.of({"admin": None, "apps": {}}) == Loading(1.5, 2.0)
    assert ours.of({"apps": {"http": {}}}) is None
    assert Loadings("unix//run/caddy.sock", directory).of({"admin": None, "apps": {}}) is None
    (kept,) = directory.iterdir()
    kept.write_text("[]", encoding="utf-8")
    assert ours.of({"admin": None, "apps": {}}) is None
    kept.unlink()
    directory.rmdir()
    directory.write_text("not a directory", encoding="utf-8")
    ours.remember({}, Loading(1.5, 2.0))
    assert ours.of({}) is None


@pytest.mark.parametrize(
    ("active", "seconds"),
    [({}, None), ({"uri": "/", "interval": 2 * 10**9}, 2.0), ({"uri": "/"}, 30.0), ({"interval": "1m"}, None)],
)
def test_how_often_a_handler_checks(active: dict[str, object], seconds: float | None) -> None:
    assert check_seconds({"handler": "reverse_proxy", "health_checks": {"active": active}}) == seconds
    assert check_seconds({"handler": "reverse_proxy"}) is None
