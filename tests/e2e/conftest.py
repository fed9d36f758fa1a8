# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all end-to-end tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e import operator as op


@pytest.fixture(scope="session", autouse=True)
def own_lab() -> Iterator[None]:
    """A lab made anew, removed afterwards; KEEP_LAB=1 leaves it, REUSE_LAB=1 takes the one that is there."""
    if os.environ.get("REUSE_LAB") != "1":
        op.lab("down")
    yield
    if os.environ.get("KEEP_LAB") != "1":
        op.lab("down")


@pytest.fixture(scope="session")
def provisioned() -> None:
    """The lab in its described state, for stories that begin there."""
    try:
        ready = op.get("/health")[0] == 200
    except OSError:
        ready = False
    if not ready:
        run = op.lab("up")
        assert run.rc == 0, run.tail
