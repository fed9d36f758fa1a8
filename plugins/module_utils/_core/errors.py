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


def place_of(error: BaseException) -> str:
    """Where in our code an exception was raised: a file and a line, nothing of its text."""
    trace = error.__traceback__
    place = "an unknown place"
    while trace is not None:
        code = trace.tb_frame.f_code
        if "module_utils" in code.co_filename or "modules" in code.co_filename:
            name = code.co_filename.rsplit("module_utils/", 1)[-1].rsplit("modules/", 1)[-1]
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
