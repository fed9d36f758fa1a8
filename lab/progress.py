# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says while it works: one line per step with its seconds, the same with and without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LabError(Exception):
    """The lab cannot go on; the message names the reason and the fix."""


def say(text: str) -> None:
    """One line for the person who waits."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce ``title``, then say how long it took."""
    started = time.monotonic()
    print(f"-> {title} ...", flush=True)
    try:
        yield
    except BaseException:
        print(f"   {title}: stopped after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        raise
    print(f"   done in {time.monotonic() - started:.0f} s", flush=True)
