# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: an included file with one upstream block, tested before it is loaded, and put back when it is refused."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from .._core.clock import Clock
from .._core.command import Command, CommandFailed, Runner
from .._core.errors import OpsError
from .proxy import OWN_NGINX, ProxySetting, nginx_text, upstreams_in
from .proxy_file import put_text, read_text

TEST_SECONDS = 30.0
RELOAD_SECONDS = 15.0
POLL_SECONDS = 0.02
MASTER = "nginx: master process"
WORKER = "nginx: worker process"
ENDING = "nginx: worker process is shutting down"


class NginxProxy:
    """Proxy by include file, ``nginx -t`` and reload."""

    def __init__(
        self,
        setting: ProxySetting,
        project: str,
        runner: Runner,
        clock: Clock,
        *,
        proc: Path = Path("/proc"),
        kill: Callable[[int, int], None] = os.kill,
    ) -> None:
        self.setting = setting
        self._project = project
        self._runner = runner
        self._clock = clock
        self._proc = proc
        self._kill = kill

    def check(self, known: Sequence[str]) -> str | None:
        """It must run, and its present configuration must be valid."""
        if self._master() is None:
            raise OpsError(
                f"proxy: nginx does not run (pid_file {self.setting.pid_file} names no process); start it, "
                "or correct pid_file"
            )
        self._test("its configuration is not valid as it is, so that it could not be switched")
        return None

    def current(self, known: Sequence[str]) -> tuple[str, ...] | None:
        """What the file says."""
        text = read_text(self.setting.file)
        return None if text is None else upstreams_in(text)

    def follows(self, upstreams: Sequence[str], known: Sequence[str]) -> bool:
        """Whether the file says so; that nginx has read it is seen to by ``route``."""
        return read_text(self.setting.file) == nginx_text(self.setting, self._project, upstreams, known)

    def route(self, upstreams: Sequence[str], known: Sequence[str], *, eager: bool) -> None:
        """Write, test and reload; wait until no worker takes requests for who is left out now."""
        former = read_text(self.setting.file)
        before = upstreams_in(former or "")
        master = self._master()
        if master is None and eager:
            self.check(known)
        put_text(self.setting.file, nginx_text(self.setting, self._project, upstreams, known))
        try:
            self._test(f"it refuses the new {self.setting.file}, which was put back as it was")
        except OpsError:
            put_text(self.setting.file, former)
            raise
        if master is None:
            return
        try:
            self._reload(master, alone=eager or not before or not set(before) <= set(upstreams))
        except OpsError:
            put_text(self.setting.file, former)
            with contextlib.suppress(OpsError):  # it may have begun to use the new one
                self._tell(master)
            raise

    def idle(self) -> bool:
        """Whether every worker of the former configuration has ended."""
        master = self._master()
        return master is None or ENDING not in self._workers(master).values()

    def _test(self, what: str) -> None:
        try:
            self._run("-t", "-q")
        except CommandFailed as error:
            told = str(error.facts.get("stderr") or error.message)
            raise OpsError(f"proxy: {self.setting.label}: {what}: {told}") from None

    def _reload(self, master: int, *, alone: bool) -> None:
        """Wait for workers with the new configuration; ``alone``: until those with the former one take no requests."""
        before = {pid for pid, title in self._workers(master).items() if title != ENDING}
        self._tell(master)
        deadline = self._clock.monotonic() + RELOAD_SECONDS
        while True:
            serving = {pid for pid, title in self._workers(master).items() if title != ENDING}
            if serving - before and not (alone and serving & before):
                return
            if self._clock.monotonic() >= deadline:
                raise OpsError(
                    f"proxy: {self.setting.label} has not taken the new configuration within {RELOAD_SECONDS:g} s; "
                    "its error log says why"
                )
            self._clock.sleep(POLL_SECONDS)

    def _tell(self, master: int) -> None:
        """Have nginx read its configuration. ``nginx -s reload`` reads all of it once more, only to find the master."""
        if self.setting.command != OWN_NGINX:
            self._run("-s", "reload")
            return
        try:
            self._kill(master, signal.SIGHUP)
        except OSError as error:
            raise OpsError(f"proxy: {self.setting.label} cannot be told to reload: {error.strerror}") from None

    def _run(self, *arguments: str) -> None:
        self._runner.run(Command((*self.setting.command, *arguments)), timeout=TEST_SECONDS)

    def _master(self) -> int | None:
        try:
            pid = int(self.setting.pid_file.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return None
        # The number may be somebody else's by now.
        return pid if self._title(self._proc / str(pid)).startswith(MASTER) else None

    def _workers(self, master: int) -> dict[int, str]:
        """The titles of the master's workers by process id."""
        found = {}
        for entry in self._proc.iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int(
                    (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
                )
                if parent != master:
                    continue
            except (OSError, ValueError, IndexError):
                continue
            title = self._title(entry)
            if title.startswith(WORKER):
                found[int(entry.name)] = title
        return found

    @staticmethod
    def _title(process: Path) -> str:
        """What a process calls itself; nothing when it has gone."""
        try:
            return (process / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        except OSError:
            return ""
