# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one attempt at one check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt, in words.

    ``answered`` tells a target that is there but not healthy from one that could not be reached at all;
    ``fatal`` one that will not become healthy by waiting.
    """

    healthy: bool
    words: str
    answered: bool = True
    fatal: bool = False


class UnhealthyError(Exception):
    """Raised by a probe that reached a verdict other than healthy. The fields are those of Outcome."""

    def __init__(self, words: str, *, answered: bool = True, fatal: bool = False) -> None:
        super().__init__(words)
        self.outcome = Outcome(False, words, answered, fatal)
