# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything that a program can set: three commands that read the secret from standard input, never from arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.command import Command, CommandFailed, Runner
from ..._core.errors import OpsError
from ..credential import Credential
from ..generate import Policy, generate
from ..ports import RejectedError

REJECTED = 65  # EX_DATAERR of sysexits.h
REFUSED = 1


def open_command(options: Mapping[str, Any], policy: Policy, where: str, runner: Runner) -> CommandTarget:
    """The target of the options. Raises OpsError naming a missing one."""
    for name in ("set", "test"):
        if not options[name]:
            raise OpsError(f"{where}.{name}: is required for type command")
    if options["revoke"] and not options["overlaps"]:
        raise OpsError(f"{where}.revoke: has nothing to do unless overlaps is true")
    return CommandTarget(options, policy, runner)


class CommandTarget:
    """``set`` gets the new secret on the first line of standard input and the current one on the second.

    ``test`` gets the secret in question; it exits with 0 when it works and 1 when it does not. ``revoke`` gets the
    retired secret and, on the second line, the one that stays. Exit code 65 of ``set`` says: try another value.
    """

    announce_seconds: float | None = None

    def __init__(self, options: Mapping[str, Any], policy: Policy, runner: Runner) -> None:
        self._set, self._test, self._revoke = (tuple(options[name]) for name in ("set", "test", "revoke"))
        self.overlaps = bool(options["overlaps"])
        self._timeout = float(options["timeout"])
        self._policy = policy
        self._runner = runner

    def propose(self, current: Credential | None) -> Credential:
        return Credential(generate(self._policy))

    def works(self, credential: Credential) -> bool:
        code = self._run(self._test, credential.value)
        if code not in (0, REFUSED):
            raise OpsError(f"{self._test[0]}: the test ended with exit code {code}: 0 means works, 1 does not work")
        return code == 0

    def set(self, candidate: Credential, current: Credential | None) -> None:
        code = self._run(self._set, candidate.value, "" if current is None else current.value)
        if code == REJECTED:
            raise RejectedError(f"{self._set[0]}: refuses the value (exit code {REJECTED})")
        if code != 0:
            raise OpsError(f"{self._set[0]}: could not set the secret (exit code {code})")

    def revoke(self, retired: Credential, keep: Credential) -> None:
        if self._revoke and (code := self._run(self._revoke, retired.value, keep.value)) != 0:
            raise OpsError(f"{self._revoke[0]}: could not revoke the secret (exit code {code})")

    def close(self) -> None: ...

    def _run(self, argv: tuple[str, ...], *lines: str) -> int:
        # What the program prints is dropped: it may print the secret in a form that no masking finds.
        command = Command(argv, stdin="".join(f"{line}\n" for line in lines).encode(), secrets=lines)
        try:
            return self._runner.run(command, timeout=self._timeout, check=False).rc
        except CommandFailed as error:
            raise OpsError(error.message.partition(": ")[0] + ": cannot be run, or not within its time limit") from None
