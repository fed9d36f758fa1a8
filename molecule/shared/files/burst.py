# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a path many times, as fast as several connections allow; prints when the first was refused, as JSON."""

import collections
import concurrent.futures
import http.client
import itertools
import json
import ssl
import sys
import time

HOST, ROOT, PATH, COUNT = *sys.argv[1:4], int(sys.argv[4])
CONNECTIONS = 8


def ask(numbers):
    """The statuses and Retry-After headers of as many requests as are left."""
    connection = http.client.HTTPSConnection(HOST, context=ssl.create_default_context(cafile=ROOT), timeout=20)
    answers = []
    for number in numbers:
        if number > COUNT:
            break
        connection.request("GET", PATH)
        response = connection.getresponse()
        response.read()
        answers.append((response.status, response.getheader("Retry-After")))
    return answers


def main():
    began = time.monotonic()
    numbers = itertools.count(1)
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [answer for part in pool.map(ask, [numbers] * CONNECTIONS) for answer in part]
    statuses = collections.Counter(str(status) for status, _ in answers)
    after = {header for status, header in answers if status == 429}
    print(
        json.dumps({"seconds": time.monotonic() - began, "statuses": statuses, "retry_after": sorted(map(str, after))})
    )


if __name__ == "__main__":
    main()
