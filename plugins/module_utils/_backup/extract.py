# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored dump as the program wrote it, for whatever reads that: decrypted, decompressed, and known to be whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from .._core.atomic import sync_directory
from .._core.errors import OpsError
from .archive import feed, open_unpacking
from .backup import Backup
from .verify import Listed, choose


def extract_to_file(backup: Backup, database: str, which: str, path: Path) -> Listed:
    """Write a point's dump to the new file ``path``, mode 0600. Raises OpsError; ``path`` then does not exist."""
    listed = choose(backup, database, which)
    partial = path.with_name(path.name + ".partial")
    if path.exists():
        raise OpsError(f"{path} exists already and is not overwritten (option --to)")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise OpsError(f"{partial} is there: another run is writing it, or was killed; then remove it") from None
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror} (option --to)") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _write(backup, listed, stream)
            os.fsync(stream.fileno())
        # A link, unlike a rename, refuses to replace what has appeared meanwhile.
        os.link(partial, path)
        sync_directory(path.parent)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror} (option --to)") from None
    finally:
        with suppress(OSError):
            partial.unlink()
    return listed


def extract_to_stream(backup: Backup, database: str, which: str, stream: IO[bytes]) -> Listed:
    """Write a point's dump to ``stream``, after all of it was compared with its hash: nobody reads what is damaged."""
    listed = choose(backup, database, which)
    dump = listed.need_manifest().dump
    where = f"{listed.storage.location}/{listed.point.folder}"
    backup.reporter.step(f"comparing {listed.point.folder} with its hash")
    feed(
        listed.storage.read(listed.point.path(dump.name)),
        dump,
        [],
        lambda done: backup.reporter.progress(done, dump.bytes),
        where,
    )
    _write(backup, listed, stream)
    return listed


def _write(backup: Backup, listed: Listed, stream: IO[bytes]) -> None:
    manifest = listed.need_manifest()
    backup.reporter.step(f"extracting {listed.point.folder} from {listed.storage.location}")
    with open_unpacking(backup.settings, manifest.encryption, backup.runner) as consumers:
        feed(
            listed.storage.read(listed.point.path(manifest.dump.name)),
            manifest.dump,
            consumers,
            lambda done: backup.reporter.progress(done, manifest.dump.bytes),
            f"{listed.storage.location}/{listed.point.folder}",
            output=stream,
        )
