# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that every engine raises."""

from __future__ import annotations


class OpsError(Exception):
    """A failure that a person can act on.

    ``message`` says what failed, which option is concerned and what fixes it; it never holds a secret.
    ``facts`` are JSON-serialisable details that a module returns beside the message.
    """

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
