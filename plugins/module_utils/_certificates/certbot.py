# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of an ACME server, by certbot: it proves the names through a directory that the web server serves."""

from __future__ import annotations

import configparser
from dataclasses import dataclass

from .._core.command import Command
from .plan import Wanted

ISSUE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Account:
    """How the ACME server is reached; ``ca_file`` holds the authorities it is trusted by, for a private server."""

    server: str | None = None
    email: str | None = None
    ca_file: str | None = None


def issue_command(wanted: Wanted, account: Account, webroot: str, hook: str | None, *, reissue: bool) -> Command:
    """The call that obtains a certificate, or replaces one whose names or server have changed.

    ``hook`` is the shell command that certbot runs after each later renewal.
    """
    options = ["--server", account.server] if account.server else []
    options += ["--email", account.email] if account.email else ["--register-unsafely-without-email"]
    options += ["--deploy-hook", hook] if hook else []
    options += ["--force-renewal"] if reissue else []
    for name in wanted.names:
        options += ["--domain", name]
    return Command(
        (
            "certbot",
            "certonly",
            "--non-interactive",
            "--agree-tos",
            "--webroot",
            "--webroot-path",
            webroot,
            "--key-type",
            "ecdsa",
            "--cert-name",
            wanted.name,
            "--renew-with-new-domains",
            *options,
        ),
        env={"REQUESTS_CA_BUNDLE": account.ca_file} if account.ca_file else {},
    )


def issuing_server(renewal: str) -> str | None:
    """The ACME directory named in the text of one of certbot's renewal files; None when it names none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        # The file begins with options that belong to no section.
        parser.read_string("[lineage]\n" + renewal)
    except configparser.Error:
        return None
    return parser.get("renewalparams", "server", fallback=None)
