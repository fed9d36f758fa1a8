# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's health check: exit 0 when /health answers 200. Runs every few seconds, so it imports next to nothing."""

import os
import socket
import sys

SECONDS = 4.0


def main() -> int:
    """The exit code; any failure to connect is one of the check."""
    with socket.create_connection(("127.0.0.1", int(os.environ.get("PORT") or 8000)), SECONDS) as connection:
        connection.settimeout(SECONDS)
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    sys.stdout.write(answer.partition(b"\r\n\r\n")[2].decode(errors="replace"))
    return 0 if b" 200 " in answer.partition(b"\r\n")[0] else 1


if __name__ == "__main__":
    raise SystemExit(main())
