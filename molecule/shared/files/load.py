# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a site from several threads until a file appears; prints what was answered and by which upstream, as JSON."""

import collections
import http.client
import json
import ssl
import sys
import threading
import time
from pathlib import Path

HOST, ROOT, STOP, METHODS = sys.argv[1:5]
DEADLINE = time.monotonic() + 120


def ask(answers, failures, method):
    context = ssl.create_default_context(cafile=ROOT)
    connection = http.client.HTTPSConnection(HOST, context=context, timeout=20)
    while not Path(STOP).exists() and time.monotonic() < DEADLINE:
        try:
            connection.request(method, "/api/orders", body=b"x" * 2000 if method == "POST" else None)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                failures.append(f"{method} {response.status}")
            else:
                answers[json.loads(body)["port"]] += 1
        except (OSError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{method} {error!r}")
            connection.close()


def main():
    answers, failures = collections.Counter(), []
    threads = [threading.Thread(target=ask, args=(answers, failures, method)) for method in METHODS.split(",") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"answers": answers, "failures": failures}))


if __name__ == "__main__":
    main()
