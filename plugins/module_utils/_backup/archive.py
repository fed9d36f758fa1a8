# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a dump: from its producer through compression and encryption into sinks, and back to a consumer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from .._core.command import Command
from .._core.errors import OpsError
from .manifest import StoredFile
from .process_chain import ProcessChain
from .settings import Settings
from .storage import Sink

BLOCK = 1024 * 1024
MOST_GLOBALS = 64 * BLOCK
Progress = Callable[[int], None]


class ArchiveDamagedError(OpsError):
    """Stored bytes are not those that were written."""


def pack_commands(settings: Settings) -> list[Command]:
    """Compression (a zstd frame ends with a checksum), then encryption for those who may read."""
    level, threads = settings.compression_level, settings.compression_threads
    commands = [Command(("zstd", "--quiet", "--stdout", "--check", f"-{level}", f"-T{threads}"))]
    if settings.encryption_recipients:
        recipients = [word for recipient in settings.encryption_recipients for word in ("--recipient", recipient)]
        commands.append(Command(("age", "--encrypt", *recipients)))
    return commands


def unpack_commands(settings: Settings, *, encrypted: bool) -> list[Command]:
    """The reverse. Raises OpsError for an encrypted point without the key."""
    unpack = Command(("zstd", "--quiet", "--stdout", "--decompress"))
    if not encrypted:
        return [unpack]
    if not settings.decryption_identity:
        raise OpsError(
            "this restore point is encrypted; give the file with the age identity (option decryption_identity)"
        )
    return [Command(("age", "--decrypt", "--identity", settings.decryption_identity)), unpack]


def suffix(settings: Settings) -> str:
    return ".zst.age" if settings.encryption_recipients else ".zst"


def stream(
    name: str, producers: Sequence[Command], sinks: Sequence[Sink], progress: Progress, *, join: Callable[[], object]
) -> StoredFile:
    """Send what ``producers`` make to every sink, and finish the sinks only after all is known to be right.

    ``join`` is called between and raises what another part of the run found. After an error the caller aborts.
    """
    digest, size = hashlib.sha256(), 0
    chain = None
    try:
        chain = ProcessChain(producers)
        while block := chain.stdout.read(BLOCK):
            digest.update(block)
            size += len(block)
            for sink in sinks:
                sink.write(block)
            progress(size)
        chain.finish()
        join()
        for sink in sinks:
            sink.finish()
    except BaseException:
        if chain is not None:
            chain.stop()
        raise
    return StoredFile(name, size, digest.hexdigest())


def collect(producers: Sequence[Command]) -> bytes:
    """A small product in memory; a larger one fails, as its producer's pipe is closed."""
    chain = ProcessChain(producers)
    try:
        data = chain.stdout.read(MOST_GLOBALS)
        chain.finish()
    except BaseException:
        chain.stop()
        raise
    return data


def feed(
    blocks: Iterable[bytes], file: StoredFile, consumers: Sequence[Command], progress: Progress, where: str
) -> None:
    """Send stored ``blocks`` through ``consumers``. Raises ArchiveDamagedError when they are not the manifest's."""
    digest, size = hashlib.sha256(), 0
    chain = ProcessChain(consumers, feed=True, collect=False) if consumers else None
    try:
        consuming = chain is not None
        for block in blocks:
            digest.update(block)
            size += len(block)
            if chain is not None and consuming:
                # After a consumer failed, the rest is only hashed: damage explains more than a broken pipe.
                consuming = _offer(chain, block)
            progress(size)
        _compare(file, size, digest.hexdigest(), where)
        if chain is not None:
            with suppress(OSError):
                chain.stdin.close()
            chain.finish()
    except BaseException:
        if chain is not None:
            chain.stop()
        raise


def _compare(file: StoredFile, size: int, digest: str, where: str) -> None:
    if size != file.bytes:
        raise ArchiveDamagedError(f"{where}: {file.name} is damaged: {size} bytes instead of {file.bytes}")
    if digest != file.sha256:
        raise ArchiveDamagedError(f"{where}: {file.name} is damaged: its SHA-256 differs")


def _offer(chain: ProcessChain, block: bytes) -> bool:
    try:
        chain.stdin.write(block)
    except BrokenPipeError:
        return False
    return True
