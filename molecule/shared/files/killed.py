# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills an upstream and writes to the site once its port is closed, one request after the other; prints the statuses.

What an upstream has accepted when it dies is lost, and no proxy may send it again; this is about all the others.
"""

import collections
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time

HOST, ROOT, UNIT, PORT = *sys.argv[1:4], int(sys.argv[4])
REQUESTS = 40
DEADLINE_SECONDS = 30


def wait_until_closed():
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", PORT), timeout=5).close()
        except ConnectionRefusedError:
            return
        except OSError:
            pass
    raise SystemExit(f"port {PORT} is still open")


def write():
    context = ssl.create_default_context(cafile=ROOT)
    connection = http.client.HTTPSConnection(HOST, context=context, timeout=20)
    connection.request("POST", "/api/orders", body=b"x" * 2000)
    response = connection.getresponse()
    response.read()
    connection.close()
    return str(response.status)


def main():
    subprocess.run(["systemctl", "kill", "--signal=KILL", UNIT], check=True)
    wait_until_closed()
    print(json.dumps(collections.Counter(write() for _ in range(REQUESTS))))


if __name__ == "__main__":
    main()
