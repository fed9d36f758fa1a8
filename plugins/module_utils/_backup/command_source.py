# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps that a command of the user's writes, of whatever can be dumped to a pipe."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timezone

from .._core.command import Command
from .archive import Packing
from .backup import Backup
from .client import become
from .dump_source import store_stream
from .manifest import COMMAND, Fingerprint, Manifest
from .points import Point
from .settings import CommandSource as Options
from .settings import Settings


@dataclass(frozen=True, slots=True)
class CommandDump:
    """The program that ``options`` name. It has to end with 0 and to have written something."""

    backup: Backup
    options: Options
    packing: Packing

    def store(self, point: Point) -> Manifest:
        backup, begun, started = self.backup, self.backup.clock.monotonic(), self.backup.clock.now()
        backup.reporter.step(f"dumping {point.database} ({self.options.command[0]})")
        # Only a guess, for the size of the parts in S3: nobody knows how much a command will write.
        expected = 2 * (backup.state.of(point.database).bytes or 0)
        with ExitStack() as on_error:
            dump = store_stream(
                backup,
                (point, self.packing.file_name("dump")),
                [user_command(backup.settings, self.options.command), *self.packing.commands()],
                expected=expected,
                also=on_error,
                refuse_empty=True,
            )
        return Manifest(
            id=point.id,
            database=point.database,
            started_at=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
            finished_at=backup.clock.now().isoformat(timespec="seconds"),
            seconds=round(backup.clock.monotonic() - begun, 3),
            dump=dump,
            globals=None,
            globals_have_passwords=False,
            fingerprint=Fingerprint((), {}),
            server_version="",
            tools={"command": self.options.command[0]},
            extensions={},
            locale={},
            owner="",
            wal_position="",
            database_bytes=0,
            encryption=self.packing.recipients,
            source=COMMAND,
        )

    def end_left_over(self, point: Point) -> None:
        """The command has ended with the run."""


def user_command(settings: Settings, argv: tuple[str, ...]) -> Command:
    """``argv`` as the user of option ``run_as``, with the environment that may hold secrets."""
    env = dict(settings.command.command_env) if settings.command else {}
    prefix, home = become(settings.source.run_as) if settings.source.run_as else ((), {})
    return Command((*prefix, *argv), env={**home, **env}, cwd="/", secrets=tuple(v for v in env.values() if v))
