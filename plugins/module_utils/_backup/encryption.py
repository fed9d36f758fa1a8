# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption for public keys, by age or gpg: what the host writes it cannot read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .._core.command import Command, Runner
from .._core.errors import OpsError
from .settings import Settings

# In memory, where the machine offers it: decryption puts a secret key there.
MEMORY = Path("/dev/shm")  # noqa: S108
GPG_MARK = "gpg:"
GPG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Encryption:
    """``command`` encrypts its standard input; ``recipients`` are what the manifest says of who can read it."""

    command: Command
    suffix: str
    recipients: tuple[str, ...]


@contextmanager
def encrypting(settings: Settings, runner: Runner) -> Iterator[Encryption | None]:
    """How to encrypt, as long as the context is open; None when nobody asked for it. Raises OpsError."""
    if settings.encryption_gpg_keys:
        with _private_home(runner) as home:
            yield _gpg_encryption(home, settings.encryption_gpg_keys, runner)
    elif settings.encryption_recipients:
        words = [word for recipient in settings.encryption_recipients for word in ("--recipient", recipient)]
        yield Encryption(Command(("age", "--encrypt", *words)), ".age", settings.encryption_recipients)
    else:
        yield None


@contextmanager
def decrypting(settings: Settings, recipients: Sequence[str], runner: Runner) -> Iterator[Command]:
    """The command that decrypts what was encrypted for ``recipients``. Raises OpsError without the secret key."""
    key = settings.decryption_identity
    by_gpg = any(recipient.startswith(GPG_MARK) for recipient in recipients)
    if not key:
        kind = "gpg secret key" if by_gpg else "age identity"
        raise OpsError(f"this restore point is encrypted; give the file with the {kind} (option decryption_identity)")
    if not by_gpg:
        yield Command(("age", "--decrypt", "--identity", key))
        return
    passphrase = settings.decryption_passphrase_file
    # Nobody is there to be asked, and the agent takes seconds to find that out.
    unlock: tuple[str, ...] = ("--pinentry-mode", "error")
    if passphrase:
        unlock = ("--pinentry-mode", "loopback", "--passphrase-file", passphrase)
    with _private_home(runner) as home:
        done = runner.run(_gpg(home, "--import", key), timeout=GPG_SECONDS, check=False)
        if done.rc != 0:
            said = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise OpsError(f"{key} cannot be read as a gpg secret key (option decryption_identity): {said[0]}")
        yield _gpg(home, *unlock, "--decrypt")


def _gpg_encryption(home: Path, keys: Sequence[str], runner: Runner) -> Encryption:
    words: list[str] = []
    recipients: list[str] = []
    for number, key in enumerate(keys):
        path = home / f"recipient-{number}.asc"
        path.touch(mode=0o600)
        path.write_text(key, encoding="utf-8")
        shown = runner.run(_gpg(home, "--with-colons", "--show-keys", str(path)), timeout=GPG_SECONDS, check=False)
        recipients.append(GPG_MARK + fingerprint_of(shown.stdout if shown.rc == 0 else "", number + 1))
        words += ["--recipient-file", str(path)]
    command = _gpg(home, "--trust-model", "always", "--compress-algo", "none", *words, "--encrypt")
    return Encryption(command, ".gpg", tuple(recipients))


def fingerprint_of(listing: str, number: int) -> str:
    """The fingerprint of the one public key in gpg's ``listing`` with colons. Raises OpsError when it can't be used."""
    where = f"encryption_gpg_keys: key {number}"
    rows = [line.split(":") for line in listing.splitlines()]
    if any(row[0] == "sec" for row in rows):
        raise OpsError(f"{where} is a secret key; give the public one (gpg --armor --export), and keep this one away")
    primaries = [row for row in rows if row[0] == "pub"]
    if len(primaries) != 1:
        raise OpsError(f"{where} is not one ASCII-armored public key (gpg --armor --export)")
    # https://github.com/gpg/gnupg/blob/master/doc/DETAILS: field 2 is the validity, 12 what the whole key can do.
    if primaries[0][1] in ("e", "r", "i", "d") or "E" not in primaries[0][11]:
        raise OpsError(f"{where} can't encrypt: it has expired, was revoked, or has no key for encryption")
    return next(row[9] for row in rows if row[0] == "fpr")


def _gpg(home: Path, *arguments: str) -> Command:
    return Command(("gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", "--no-options", *arguments))


@contextmanager
def _private_home(runner: Runner) -> Iterator[Path]:
    """A keyring of its own for one run, never the user's, and no agent that outlives it."""
    folder = str(MEMORY) if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="keelson-gpg-", dir=folder, ignore_cleanup_errors=True) as home:
        try:
            yield Path(home)
        finally:
            for what in (("--kill", "all"), ("--remove-socketdir",)):
                runner.run(Command(("gpgconf", "--homedir", home, *what)), timeout=GPG_SECONDS, check=False)
