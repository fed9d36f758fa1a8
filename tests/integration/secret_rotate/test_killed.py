# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed right after each write, for every store and target: the next run ends it, and exactly one secret is valid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import make_secret
from .runs import Run, rotate

Options = Callable[[str], dict[str, Any]]
MOST_WRITES = 25


STORES = ("aws", "vault", "env_file", "file")
TARGETS = ("alternating", "single", "redis", "jwt", "command")
# A private key has several lines, which an env file cannot hold.
PAIRS = [(store, target) for store in STORES for target in TARGETS if (store, target) != ("env_file", "jwt")]


@pytest.mark.parametrize(("store", "target"), PAIRS)
def test_every_kill_is_survived(store: str, target: str, store_of: Options, target_of: Options, tmp_path: Path) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of(target))
    assert rotate(secret.params, state="present")["changed"]
    retired = [secret.assert_settled()]
    for number in range(1, MOST_WRITES):
        if Run({**secret.params, "force": True}, die_at=number).finish() is not None:
            break
        if target != "single":
            assert secret.target().works(secret.current()), number
        rotate(secret.params)
        retired.append(secret.assert_settled(*retired[-2:]))
    assert rotate(secret.params)["changed"] is False
    assert number > 5
    assert len({credential.value for credential in retired}) == number


@pytest.mark.parametrize("store", STORES)
def test_every_kill_on_the_way_back_is_survived(
    store: str, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of("command"), overlap="1h")
    rotate(secret.params)
    old = secret.assert_settled()
    for number in range(1, MOST_WRITES):
        rotate(secret.params, force=True)
        new = secret.current()
        back = {**secret.params, "state": "rolled_back"}
        ended = Run(back, die_at=number).finish() is not None
        rotate(back)
        assert secret.assert_settled(new).value == old.value, number
        if ended:
            break
    assert number > 2
