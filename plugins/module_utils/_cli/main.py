# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host command ``keelson``: the engines without a controller."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from .._core.errors import OpsError, unforeseen
from .._core.lock import LockHeld
from .output import Output

AREAS = ("backup", "pitr", "secrets")

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BUSY = 3
EXIT_DAMAGED = 4
EXIT_TARGET = 5
EXIT_INTERRUPTED = 130

_EXIT_CODES = f"""exit codes: 0 done; {EXIT_FAILED} failed; {EXIT_USAGE} wrong usage; {EXIT_BUSY} another run is active;
{EXIT_DAMAGED} a restore point is damaged or a restored database differs;
{EXIT_TARGET} a drill worked but missed a target; {EXIT_INTERRUPTED} interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="keelson", description="Operations of this host.", epilog=_EXIT_CODES, allow_abbrev=False
    )
    areas = parser.add_subparsers(dest="area", metavar="AREA", required=True)
    arguments = sys.argv[1:] if arguments is None else arguments
    codes = _add_areas(areas, arguments)
    given = parser.parse_args(arguments)
    output = Output(as_json=given.json, quiet=given.quiet)
    # A service manager's stop unwinds like Ctrl-C, so that nothing unfinished stays behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        given.run(given, output)
    except LockHeld as error:
        return output.fail(error, EXIT_BUSY)
    except OpsError as error:
        return output.fail(error, next((code for kind, code in codes.items() if isinstance(error, kind)), EXIT_FAILED))
    except KeyboardInterrupt:
        return output.fail(OpsError("interrupted; nothing unfinished was left"), EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 its text and traceback may hold a secret
        return output.fail(OpsError(unforeseen(error)), EXIT_FAILED)
    return 0


def _add_areas(areas: Any, arguments: Sequence[str]) -> dict[type[OpsError], int]:
    """Add the parsers of the areas, and tell the exit codes of their errors.

    Only the area that is asked for is loaded: the engines of all take longer to load than most commands run.
    """
    codes: dict[type[OpsError], int] = {}
    for name in [arguments[0]] if arguments and arguments[0] in AREAS else AREAS:
        area = importlib.import_module(f".{name}", __package__)
        area.add_parser(areas, _EXIT_CODES)
        codes.update(dict.fromkeys(area.DAMAGE, EXIT_DAMAGED) | dict.fromkeys(area.TARGET_MISSED, EXIT_TARGET))
    return codes


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
