# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a host as files and links."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from .._core.atomic import sync_directory, write_file
from .._core.errors import OpsError
from .certbot import issuing_server
from .plan import ACME, INTERNAL, PLACEHOLDER, Certificate, Layout, Observed, Wanted
from .x509 import KeyPair, describe

CHAIN = "fullchain.pem"
KEY = "privkey.pem"


class CertificateStore:
    """Reads and writes below the directories of a layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._authority = Path(layout.own / INTERNAL / ".authority")
        self._unseen = Path(layout.own / ".reload")

    def observe(self, wanted: Wanted) -> Observed:
        """What the host holds for a site. A damaged certificate counts as none."""
        link = Path(self._layout.served / wanted.name)
        return Observed(
            link=str(link.readlink()) if link.is_symlink() else None,
            acme=self._read(ACME, wanted.name),
            internal=self._read(INTERNAL, wanted.name),
            placeholder=self._read(PLACEHOLDER, wanted.name),
        )

    def save(self, source: str, name: str, pair: KeyPair) -> None:
        """Write a certificate of our own; the key first, so that a chain never stands without it."""
        directory = Path(self._layout.directory(source, name))
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(directory / KEY, pair.key)
        write_file(directory / CHAIN, pair.certificate, mode=0o644)

    def link(self, name: str, target: str) -> None:
        """Let the site show the certificate in ``target`` from the next reload on. Raises OpsError."""
        link = Path(self._layout.served / name)
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.exists() and not link.is_symlink():
            raise OpsError(f"{link} is not a link; move it away, links to certificates are kept in {link.parent}")
        staged = link.with_name(f".{name}.{secrets.token_hex(6)}")
        staged.symlink_to(target)
        staged.replace(link)
        sync_directory(link.parent)

    def authority(self) -> KeyPair | None:
        """The authority that signs internal certificates; None before the first."""
        try:
            return KeyPair((self._authority / CHAIN).read_bytes(), (self._authority / KEY).read_bytes())
        except FileNotFoundError:
            return None

    def save_authority(self, pair: KeyPair) -> str:
        """Write the authority and return the path of its certificate."""
        self._authority.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(self._authority / KEY, pair.key)
        write_file(self._authority / CHAIN, pair.certificate, mode=0o644)
        return str(self._authority / CHAIN)

    @property
    def unseen(self) -> bool:
        """Whether something changed that the web server was not told of yet, maybe by a run that was killed."""
        return self._unseen.exists()

    def note_unseen(self) -> None:
        self._unseen.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_file(self._unseen, b"")

    def note_seen(self) -> None:
        self._unseen.unlink(missing_ok=True)

    def _read(self, source: str, name: str) -> Certificate | None:
        directory = Path(self._layout.directory(source, name))
        if not os.path.exists(directory / KEY):  # noqa: PTH110 (false as well where reading is not allowed)
            return None
        try:
            names, not_after = describe((directory / CHAIN).read_bytes())
        except (OSError, OpsError):
            return None
        return Certificate(names, not_after, self._server(name) if source == ACME else None)

    def _server(self, name: str) -> str | None:
        try:
            return issuing_server(Path(self._layout.live.parent / "renewal" / f"{name}.conf").read_text("utf-8"))
        except OSError:
            return None
