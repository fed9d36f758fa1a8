# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream that no longer moves is interrupted, and one that does, or needs not, is left alone."""

from __future__ import annotations

import threading

from ansible_collections.keelson.ops.plugins.module_utils._backup.stall import StallGuard


def test_what_does_not_move_is_interrupted_once() -> None:
    interrupted = threading.Event()
    with StallGuard(0.01, interrupted.set) as guard:
        assert interrupted.wait(30)
        assert guard.stalled


def test_what_moves_is_left_alone() -> None:
    interrupted = threading.Event()
    with StallGuard(30, interrupted.set) as guard:
        guard.moved()
    assert not guard.stalled
    assert not interrupted.is_set()


def test_rest_is_no_stall_but_what_follows_may_be() -> None:
    interrupted = threading.Event()
    with StallGuard(0.01, interrupted.set) as guard:
        with guard.resting():
            assert not interrupted.wait(0.1)
        assert interrupted.wait(30)
