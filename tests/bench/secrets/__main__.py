# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check of 50 secrets that finds nothing to do: one task of secret_rotate against 50 looped tasks, and lookups.

Run: python -m tests.bench.secrets [--ansible-playbook PATH] [--rounds N]. The secrets are in the lab's Secrets Manager
on this machine; a proxy in front of it counts the calls. The loop over secretsmanager_secret runs when PATH is of an
environment with the collection community.aws and boto3: install the package ``ansible`` and boto3 into a venv of their
own, such as .cache/bench/secrets/venv.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import docker

from lab.images import service_image

ROOT = Path(__file__).resolve().parents[3]
SECRETS = 50
REGION = "us-east-1"
KEYS = {"access_key": "AKIABENCH", "secret_key": "bench-secret-key"}
HEAD = "- hosts: localhost\n  connection: local\n  gather_facts: false\n  vars:\n    store: {store}\n  tasks:\n"
ONE_TASK = """
    - keelson.ops.secret_rotate:
        store: "{{ store }}"
        secrets: ENTRIES
        state_directory: STATE
        audit_log: STATE/audit.jsonl
        metrics_directory: ""
"""
LOOP = """
    - keelson.ops.secret_rotate:
        store: "{{ store }}"
        secrets: [{name: "s{{ item }}", store: {secret: "s{{ item }}"}}]
        state_directory: STATE
        audit_log: STATE/audit.jsonl
        metrics_directory: ""
      loop: "{{ range(50) | list }}"
"""
LOOKUPS = """
    - ansible.builtin.assert:
        that: lookup('keelson.ops.secret', 's' ~ item, store=store) | length == 40
        quiet: true
      no_log: true
      loop: "{{ range(50) | list }}"
"""
COMMUNITY = """
    - community.aws.secretsmanager_secret:
        name: "s{{ item }}"
        secret: "{{ 'v' * 40 }}"
        region: us-east-1
        endpoint_url: "{{ store.endpoint_url }}"
        access_key: "{{ store.access_key }}"
        secret_key: "{{ store.secret_key }}"
      no_log: true
      loop: "{{ range(50) | list }}"
"""


@dataclass
class Counting:
    """A proxy in front of the server; ``calls`` by name."""

    port: int
    calls: Counter[str] = field(default_factory=Counter)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ansible-playbook", type=Path, help="of an environment with community.aws and boto3")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    other = given.ansible_playbook and given.ansible_playbook.absolute()
    own = Path(sys.executable).with_name("ansible-playbook")
    entries = json.dumps([{"name": f"s{n}", "store": {"secret": f"s{n}"}} for n in range(SECRETS)])
    ways = [
        ("one task", ONE_TASK.replace("ENTRIES", entries), own),
        ("loop of 50 tasks, one secret each", LOOP, own),
        ("50 looped lookups", LOOKUPS, own),
    ]
    if other:
        ways.append(("loop of 50 secretsmanager_secret", COMMUNITY, other))
    with server() as address, counting(address) as proxy, tempfile.TemporaryDirectory() as folder:
        fill(f"http://{address}:5000")
        figures = {
            name: [measure(Path(folder), text, program, proxy) for _ in range(given.rounds)]
            for name, text, program in ways
        }
    print(f"{SECRETS} secrets, nothing due, local connection; best of {given.rounds}; CPU with child processes")
    first = min(figures["one task"])
    for name, rounds in figures.items():
        cpu, seconds, calls = min(rounds)
        print(f"{name:36} {seconds:6.1f} s {cpu:6.1f} CPU s ({cpu / first[0]:4.1f}x) {calls:4d} API calls")
    load, machine = os.getloadavg()[0], f"{platform.node()}: {os.cpu_count()} cores"
    print(f"{machine}, load {load:.1f}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC")
    return 0


def measure(folder: Path, tasks: str, program: Path, proxy: Counting) -> tuple[float, float, int]:
    """CPU seconds, seconds and API calls of one run of the playbook."""
    store = {"type": "aws", "region": REGION, "endpoint_url": f"http://127.0.0.1:{proxy.port}", **KEYS}
    play = folder / "play.yml"
    play.write_text(
        HEAD.replace("{store}", repr(store)) + tasks.replace("STATE", str(folder / "state")), encoding="utf-8"
    )
    proxy.calls.clear()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [
        str(program),
        "-i",
        "localhost,",
        "-e",
        f"ansible_python_interpreter={program.with_name('python3')}",
        str(play),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or "changed=0" not in done.stdout:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-1000:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds, proxy.calls.total()


@contextmanager
def server() -> Iterator[str]:
    """The lab's Secrets Manager in a container of its own."""
    engine = docker.from_env()
    container = engine.containers.run(service_image("s3"), detach=True, name=f"bench-secrets-{os.getpid()}")
    try:
        container.reload()
        (network,) = container.attrs["NetworkSettings"]["Networks"].values()
        yield str(network["IPAddress"])
    finally:
        container.remove(force=True, v=True)
        engine.close()


@contextmanager
def counting(address: str) -> Iterator[Counting]:
    """The proxy while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            proxy.calls[self.headers["X-Amz-Target"].rpartition(".")[2]] += 1
            upstream = http.client.HTTPConnection(address, 5000, timeout=60)
            upstream.request("POST", "/", content, dict(self.headers))
            answer = upstream.getresponse()
            body = answer.read()
            upstream.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_unused: Any) -> None: ...

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    proxy = Counting(listener.server_port)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        listener.shutdown()
        listener.server_close()


def fill(url: str) -> None:
    """Make the secrets."""
    client = boto3.client(
        "secretsmanager",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
    )
    deadline = time.monotonic() + 60
    for number in range(SECRETS):
        while True:
            try:
                client.create_secret(Name=f"s{number}", SecretString="v" * 40)
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


if __name__ == "__main__":
    raise SystemExit(main())
