# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's services hold before the first provisioning: application images, certificates' root, a bucket."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from . import fleet
from .images import demo_image, service_image
from .progress import LabError, step
from .topology import LocalPorts

LAB = "lab"
BUCKET = "shop-backups"
PITR_BUCKET = "shop-pitr"
DEMO_VERSIONS = ("1.0.0", "1.1.0")
ROOTS_FILE = "acme-roots.pem"
HTTP_OK = 200


def seed_registry() -> None:
    """Push every application image that the registry does not hold yet."""
    wanted = {("postgres", "17"): service_image("postgres"), ("redis", "8"): service_image("redis")}
    for version in DEMO_VERSIONS:
        wanted |= {(f"demo-{part}", version): demo_image(part, version) for part in ("backend", "web")}
    port = fleet.local_port(LAB, "registry", 5000)
    missing = {key: image for key, image in wanted.items() if not _in_registry(port, *key)}
    if not missing:
        return
    with step(f"pushing {', '.join(':'.join(key) for key in missing)} to the lab's registry"):
        for (repository, tag), image in missing.items():
            fleet.push(LAB, image, repository, tag)


def keep_acme_roots(state: Path, acme_address: str) -> None:
    """Add the ACME server's present root to the bundle: it makes a new one each time it starts."""
    context = ssl.create_default_context(cafile=str(state / "acme-server-ca.pem"))
    context.check_hostname = False  # reached by its address here, by its name on the fleet's network
    with urllib.request.urlopen(f"https://{acme_address}:15000/roots/0", context=context, timeout=10) as answer:
        root = answer.read().decode()
    bundle = state / ROOTS_FILE
    known = bundle.read_text(encoding="utf-8") if bundle.exists() else ""
    if root.strip() not in known:
        bundle.write_text(known + root, encoding="utf-8")


def seed_buckets(ports: LocalPorts, secrets: Mapping[str, str]) -> None:
    """Make the buckets of dumps, versioned, and of point-in-time recovery, unless they are there."""
    s3 = s3_client(ports, secrets)
    for bucket in (BUCKET, PITR_BUCKET):
        try:
            s3.create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise LabError(f"bucket {bucket} cannot be made: {error}") from None
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def s3_client(ports: LocalPorts, secrets: Mapping[str, str]) -> Any:
    """A client of the lab's S3 endpoint, as seen from 127.0.0.1."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{ports.s3}",
        region_name="us-east-1",
        aws_access_key_id=secrets["s3_access_key"],
        aws_secret_access_key=secrets["s3_secret_key"],
    )


def _in_registry(port: int, repository: str, tag: str) -> bool:
    """Whether the registry holds the tag. A rebuilt image has to be pushed by hand: a running lab is left alone."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/{repository}/manifests/{tag}", timeout=10) as answer:
            return bool(answer.status == HTTP_OK)
    except OSError:
        return False
