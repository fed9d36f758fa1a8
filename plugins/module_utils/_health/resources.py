# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probes share: clock, command runner, threads, names and TLS contexts."""

from __future__ import annotations

import importlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from .._core.clock import Clock
from .._core.command import Runner
from .._core.errors import OpsError
from .names import Names
from .outcome import UnhealthyError
from .threads import Threads


class MissingLibraryError(OpsError):
    """A Python library that a kind of check needs is not installed on this host."""

    def __init__(self, library: str, package: str) -> None:
        super().__init__(
            f"the Python library {library} is missing on this host ({sys.executable}): "
            f"install the Debian package {package}",
            library=library,
            package=package,
        )
        self.library = library
        self.package = package


class Resources:
    """Shared by all probes of a wait."""

    def __init__(self, clock: Clock, runner: Runner) -> None:
        self.clock = clock
        self.runner = runner
        self.threads = Threads()
        self.names = Names(self.threads)
        self._contexts: dict[tuple[str | None, float, bool], ssl.SSLContext] = {}
        self._closing: list[Callable[[], None]] = []

    def on_close(self, action: Callable[[], None]) -> None:
        """Have ``action`` done by ``close``."""
        self._closing.append(action)

    def close(self) -> None:
        """Give everything back."""
        self.threads.close()
        for action in self._closing:
            action()

    def tls_context(self, ca_file: str | None, verify: bool) -> ssl.SSLContext:
        """A client context, made once per CA file and again when that file changes: it may appear while we wait."""
        try:
            key = (ca_file, Path(ca_file).stat().st_mtime if ca_file else 0.0, verify)
            if key not in self._contexts:
                context = ssl.create_default_context(cafile=ca_file)
                # Python 3.13 refuses private CAs without a key usage extension, which everything else accepts.
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT
                if not verify:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                self._contexts[key] = context
            return self._contexts[key]
        except ssl.SSLError:
            raise UnhealthyError(f"CA file {ca_file} holds no certificate", answered=False) from None
        except OSError as error:
            raise UnhealthyError(f"CA file {ca_file}: {error.strerror}", answered=False) from None


def library(name: str, package: str) -> ModuleType:
    """Import a library that only some kinds need. Raises MissingLibraryError."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingLibraryError(name, package) from None
