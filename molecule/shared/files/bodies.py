# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends bodies of one length by many clients at once, no two the same; prints how many arrived as sent, as JSON."""

import collections
import concurrent.futures
import hashlib
import http.client
import json
import ssl
import sys

HOST, ROOT, PATH = sys.argv[1:4]
CLIENTS, REQUESTS = 16, 10


def send(client):
    """What became of one client's requests."""
    context = ssl.create_default_context(cafile=ROOT)
    seen = []
    for number in range(REQUESTS):
        body = f"client {client:04} request {number:04} ".encode() * 40
        connection = http.client.HTTPSConnection(HOST, context=context, timeout=60)
        connection.request("POST", PATH, body=body)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 200:
            seen.append(str(response.status))
        elif json.loads(answer)["digest"] == hashlib.sha256(body).hexdigest():
            seen.append("as sent")
        else:
            seen.append("something else")
    return seen


def main():
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        counted = collections.Counter(outcome for seen in pool.map(send, range(CLIENTS)) for outcome in seen)
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
