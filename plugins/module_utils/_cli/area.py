# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of every area have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .output import Output

Run = Callable[[argparse.Namespace, Output], None]


class Area:
    """The commands of one area. Each takes the name of what is configured on this host, and how to speak of it.

    ``named`` says what the name is of, ``directory`` where the configuration is.
    """

    def __init__(self, areas: Any, name: str, about: str, *, named: str, directory: Path, epilog: str) -> None:
        area = areas.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".", epilog=epilog)
        self._commands = area.add_subparsers(dest="command", metavar="COMMAND", required=True)
        self._named = named
        self._directory = directory
        self._epilog = epilog

    def add(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        """A command that ``run`` carries out."""
        parser: argparse.ArgumentParser = self._commands.add_parser(
            name, help=text, description=text + ".", epilog=self._epilog
        )
        parser.add_argument("name", nargs="?", help=self._named)
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--quiet", action="store_true", help="no steps and no progress")
        parser.add_argument("--config-dir", type=Path, default=self._directory, help="default: %(default)s")
        parser.set_defaults(run=run)
        return parser
