# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Caddy's administration endpoint is: a URL, or ``unix//path`` as in a Caddyfile. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from .._core.errors import OpsError

UNIX = "unix/"
PORT = 2019


def socket_path(address: str) -> str | None:
    """The path of the Unix socket that the address names, if it names one."""
    return address.removeprefix(UNIX) if address.startswith(UNIX) else None


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of a URL. Raises OpsError for an address that is none."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host, port = None, 0
    if host is None or parts.scheme != "http" or parts.path not in ("", "/"):
        raise OpsError(f"proxy: admin {address} is neither http://host:port nor unix//path/of/socket")
    return host, port


def check_address(address: str) -> None:
    """Raises OpsError for an address that is none."""
    if socket_path(address) is None:
        host_and_port(address)
