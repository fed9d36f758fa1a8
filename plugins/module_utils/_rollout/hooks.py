# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the user at certain moments of a rollout."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Protocol

from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .options import Options

PRE_DEPLOY = "pre_deploy"
PRE_SWITCH = "pre_switch"
POST_SWITCH = "post_switch"
POST_DEPLOY = "post_deploy"
ON_FAILURE = "on_failure"
MOMENTS = (PRE_DEPLOY, PRE_SWITCH, POST_SWITCH, POST_DEPLOY, ON_FAILURE)
HOOK_SECONDS = 600.0


class Hooks(Protocol):
    """What is called at the moments."""

    def run(self, moment: str, **facts: str) -> None:
        """Run the commands of one moment. Raises OpsError naming the command that failed."""


class NoHooks:
    """Nothing is called."""

    def run(self, moment: str, **facts: str) -> None:
        """Do nothing."""


class CommandHooks:
    """Commands on this host, in the project's directory, told the facts by their environment."""

    def __init__(self, runner: Runner, options: Options) -> None:
        self._runner = runner
        self._options = options

    def run(self, moment: str, **facts: str) -> None:
        """Run the commands of one moment in their order."""
        for line in self._options.hooks.get(moment, ()):
            command = Command(_words(moment, line), self._environment(facts), cwd=str(self._options.directory))
            try:
                self._runner.run(command, timeout=HOOK_SECONDS)
            except CommandFailed as error:
                raise OpsError(f"hooks.{moment}: {error.message}") from None

    def _environment(self, facts: Mapping[str, str]) -> dict[str, str]:
        known = {"project": self._options.project, "version": self._options.version or "", **facts}
        return {f"KEELSON_{name.upper()}": value for name, value in known.items()}


def check_hooks(hooks: Mapping[str, Sequence[str]]) -> None:
    """Raises OpsError for a line that is no command."""
    for moment, lines in hooks.items():
        for line in lines:
            _words(moment, line)


def _words(moment: str, line: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(os.fspath(line)))
    except ValueError as error:
        raise OpsError(f"hooks.{moment}: {line!r} is not a command line: {error}") from None
    if not words:
        raise OpsError(f"hooks.{moment}: holds an empty command")
    return words
