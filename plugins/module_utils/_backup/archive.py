# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a dump: from its producer through compression and encryption into sinks, and back to a consumer."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .encryption import Encryption, decrypting, encrypting
from .manifest import StoredFile
from .process_chain import ProcessChain
from .settings import Settings
from .stall import StallGuard
from .storage import Sink

BLOCK = 1024 * 1024
MOST_GLOBALS = 64 * BLOCK
Progress = Callable[[int], None]


class ArchiveDamagedError(OpsError):
    """Stored bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class Packing:
    """What a dump goes through before it is stored: compression, then encryption for those who may read."""

    settings: Settings
    encryption: Encryption | None = None

    def commands(self, *, compressed: bool = False) -> list[Command]:
        """A zstd frame ends with a checksum; it costs little around what is ``compressed`` already."""
        level = 1 if compressed else self.settings.compression_level
        threads = 1 if compressed else self.settings.compression_threads
        pack = Command(("zstd", "--quiet", "--stdout", "--check", f"-{level}", f"-T{threads}"))
        return [pack, self.encryption.command] if self.encryption else [pack]

    def file_name(self, base: str) -> str:
        return base + ".zst" + (self.encryption.suffix if self.encryption else "")

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.encryption.recipients if self.encryption else ()


@contextmanager
def open_packing(settings: Settings, runner: Runner) -> Iterator[Packing]:
    """Raises OpsError for a recipient that cannot be used."""
    with ExitStack() as stack:
        yield Packing(settings, stack.enter_context(encrypting(settings, runner)))


@contextmanager
def open_unpacking(settings: Settings, recipients: Sequence[str], runner: Runner) -> Iterator[list[Command]]:
    """The reverse, for a point that was encrypted for ``recipients``. Raises OpsError without the key."""
    unpack = Command(("zstd", "--quiet", "--stdout", "--decompress"))
    if not recipients:
        yield [unpack]
        return
    with ExitStack() as stack:
        yield [stack.enter_context(decrypting(settings, recipients, runner)), unpack]


@dataclass(frozen=True, slots=True)
class Flow:
    """How ``stream`` runs: who is told, what must be right before anything is finished, and how long it may rest.

    ``join`` raises what another part of the run found. ``stall_timeout`` is in seconds.
    """

    progress: Progress
    join: Callable[[], object]
    stall_timeout: float
    refuse_empty: bool = False


def stream(name: str, producers: Sequence[Command], sinks: Sequence[Sink], flow: Flow) -> StoredFile:
    """Send what ``producers`` make to every sink, and finish the sinks only after all is known to be right.

    After an error the caller aborts.
    """
    chain: ProcessChain | None = None

    def interrupt() -> None:
        for sink in sinks:
            sink.interrupt()
        if chain is not None:
            chain.stop()

    with StallGuard(flow.stall_timeout, interrupt) as guard:
        try:
            within = flow.stall_timeout if flow.refuse_empty else None
            chain = ProcessChain(producers, first_byte_within=within)
            guard.moved()
            stored = _send(name, chain, sinks, flow, guard)
            with guard.resting():
                flow.join()
            for sink in sinks:
                sink.finish()
                guard.moved()
            if not guard.stalled:
                return stored
        except BaseException as error:
            if chain is not None:
                chain.stop()
            if not (guard.stalled and isinstance(error, Exception)):
                raise
    raise OpsError(f"nothing moved for {flow.stall_timeout:g} s, the run was given up (option stall_timeout)")


def _send(name: str, chain: ProcessChain, sinks: Sequence[Sink], flow: Flow, guard: StallGuard) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    while block := chain.stdout.read(BLOCK):
        guard.moved()
        digest.update(block)
        size += len(block)
        for sink in sinks:
            sink.write(block)
        guard.moved()
        flow.progress(size)
    chain.finish()
    if flow.refuse_empty and chain.first_was_empty:
        raise OpsError("the command wrote nothing to its standard output; that is no backup (option command)")
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
    blocks: Iterable[bytes],
    file: StoredFile,
    consumers: Sequence[Command],
    progress: Progress,
    where: str,
    *,
    output: IO[bytes] | None = None,
) -> None:
    """Send stored ``blocks`` through ``consumers`` into ``output``, or nowhere.

    Raises ArchiveDamagedError when they are not the manifest's.
    """
    digest, size = hashlib.sha256(), 0
    chain = ProcessChain(consumers, feed=True, collect=False, output=output) if consumers else None
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


def unpack(data: bytes, file: StoredFile, consumers: Sequence[Command], where: str) -> bytes:
    """What a small stored file holds. Raises ArchiveDamagedError when ``data`` is not the manifest's."""
    _compare(file, len(data), hashlib.sha256(data).hexdigest(), where)
    return peek([data], consumers)


def peek(blocks: Iterable[bytes], consumers: Sequence[Command]) -> bytes:
    """What ``consumers`` print who may leave the rest of ``blocks`` unread. Raises CommandFailed when one fails."""
    chain = ProcessChain(consumers, feed=True)
    writer = threading.Thread(target=_write_all, args=(chain, blocks), daemon=True)
    try:
        writer.start()
        data = chain.stdout.read()
        chain.finish(cut_off=True)
    finally:
        chain.stop()
        writer.join()
    return data


def _write_all(chain: ProcessChain, blocks: Iterable[bytes]) -> None:
    # Who reads no more has said why in its exit code, or has read enough.
    with suppress(OSError, ValueError):
        for block in blocks:
            chain.stdin.write(block)
    with suppress(OSError, ValueError):
        chain.stdin.close()


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
