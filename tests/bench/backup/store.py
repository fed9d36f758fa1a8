# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 server to upload to, from the lab's image."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BUCKET = "bench"


@contextmanager
def s3_store() -> Iterator[dict[str, str]]:
    """The options of a destination in a bucket of a server of this run's own."""
    command = ["docker", "run", "-d", "--rm", "-p", "127.0.0.1::5000", "keelson-lab/s3:latest"]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        asked = ["docker", "port", container, "5000/tcp"]
        address = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()[0]
        store = {
            "type": "s3",
            "bucket": BUCKET,
            "endpoint_url": f"http://{address}",
            "access_key": "AKIABENCH",
            "secret_key": "bench-secret-key",
        }
        _wait(address)
        _client(store).create_bucket(Bucket=BUCKET)
        yield store
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)


def upload(store: dict[str, str], path: str) -> None:
    """Upload a file as boto3 does by itself, and so the command line of AWS."""
    _client(store).upload_file(path, BUCKET, "bench.dump")


def _wait(address: str) -> None:
    host, port = address.rsplit(":", maxsplit=1)
    deadline = time.monotonic() + 120
    while True:
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        finally:
            connection.close()


def _client(store: dict[str, str]) -> Any:
    import boto3  # noqa: PLC0415

    keys = {"aws_access_key_id": store["access_key"], "aws_secret_access_key": store["secret_key"]}
    return boto3.client("s3", endpoint_url=store["endpoint_url"], region_name="us-east-1", **keys)
