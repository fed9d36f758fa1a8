# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run compose_rollout without a controller, killed as it has written a line of its journal: ``killed.py LINE FILE``.

``FILE`` holds its arguments; with 0 for ``LINE`` it comes to its end.
"""

from __future__ import annotations

import itertools
import os
import runpy
import signal
import sys
from collections.abc import Mapping

from ansible_collections.keelson.ops.plugins.module_utils._core.jsonlines import JsonLines

FATAL = int(sys.argv.pop(1))
LINES = itertools.count(1)
write = JsonLines.append


def append(self: JsonLines, entry: Mapping[str, object]) -> None:
    """Write the line, and die of it."""
    write(self, entry)
    if self.path.name == "journal.jsonl" and next(LINES) == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)


JsonLines.append = append
runpy.run_module("ansible_collections.keelson.ops.plugins.modules.compose_rollout", run_name="__main__", alter_sys=True)
