# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that every engine raises."""

from __future__ import annotations

import os
import re

_OURS = re.compile(r".*/(?:module_utils|modules|lib/keelson)/(.*)")


class OpsError(Exception):
    """A failure that a person can act on.

    ``message`` says what failed, which option is concerned and what fixes it; it never holds a secret.
    ``facts`` are JSON-serialisable details that a module returns beside the message; ``msg`` and ``failed`` are
    Ansible's own and no names for them.
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
        ours = _OURS.match(trace.tb_frame.f_code.co_filename)
        if ours is not None:
            place = f"{ours[1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def unforeseen(error: BaseException) -> str:
    """What may be told of an exception that no engine foresaw: its kind and place, as its text may hold a secret.

    Of an error of the operating system also what that says, and of which file.
    """
    place = place_of(error)
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.errno is not None:
        file = f"{error.filename}: " if isinstance(error.filename, (str, os.PathLike)) else ""
        return f"{file}{os.strerror(error.errno)} (at {place})"
    return f"unexpected {type(error).__name__} at {place}; please report it"
