# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two directories change places."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from .._core.atomic import sync_directory

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# File systems and kernels without the atomic form.
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def exchange(first: Path, second: Path) -> None:
    """Let two directories of one file system change places, at once where the file system can. Raises OSError."""
    try:
        _exchange_atomically(first, second)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        between = first.with_name(f".{first.name}.exchanging")
        first.rename(between)
        try:
            second.rename(first)
        except OSError:
            between.rename(first)
            raise
        between.rename(second)
    sync_directory(first.parent)
    sync_directory(second.parent)


def _exchange_atomically(first: Path, second: Path) -> None:
    # renameat2(2); os.rename can't exchange.
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, "no renameat2")
    done = libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    if done != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(first), None, str(second))
