# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints how long each task took, from its start to the start of what follows."""

from __future__ import annotations

import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_seconds
type: aggregate
short_description: Print the seconds of each task
description: Prints a line with the name and the seconds of each task.
"""


class CallbackModule(CallbackBase):
    """Wall time on the controller."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_seconds"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        self._running: tuple[str, float] | None = None

    def v2_playbook_on_task_start(self, task: object, is_conditional: bool) -> None:
        self._finish()
        self._running = (task.get_name(), time.monotonic())  # type: ignore[attr-defined]

    def v2_playbook_on_stats(self, stats: object) -> None:
        self._finish()

    def _finish(self) -> None:
        if self._running is not None:
            name, started = self._running
            self._display.display(f"SECONDS {name} {time.monotonic() - started:.3f}")
