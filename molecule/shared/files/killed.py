# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills an upstream and writes to the site at once, one request after the other; prints the statuses as JSON."""

import collections
import http.client
import json
import ssl
import subprocess
import sys

HOST, ROOT, UNIT = sys.argv[1:4]
REQUESTS = 40


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
    print(json.dumps(collections.Counter(write() for _ in range(REQUESTS))))


if __name__ == "__main__":
    main()
