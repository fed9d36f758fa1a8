# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way a restore can fail: the live database is what it was, and nothing stays behind after the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._backup.archive import ArchiveDamagedError
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Request
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import with_server
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from tests.integration.pg_backup.conftest import BUCKET, PASSWORD, SECRET_KEY, Bucket, Place, Server, until

from .conftest import restore, take

PACKAGE = Path(restoring.__file__).resolve().parents[1]
LIVE = "SELECT oid, (SELECT count(*) FROM orders) FROM pg_database WHERE datname = 'shop'"


@pytest.fixture(autouse=True)
def untouched(server: Server) -> Iterator[None]:
    """The live database is the same one with the same rows, and there is no other that was not there."""
    before, live = server.databases(), server.sql("shop", LIVE)
    yield
    assert server.sql("shop", LIVE) == live
    assert server.databases() == before


class At:
    """Does something at the first step whose text has ``word`` in it, or at the first bytes."""

    def __init__(self, word: str | None, action: Callable[[], object]) -> None:
        self._word, self._action = word, action

    def step(self, text: str) -> None:
        if self._word is not None and self._word in text:
            self._act()

    def progress(self, done: int, total: int | None) -> None:
        if self._word is None:
            self._act()

    def _act(self) -> None:
        action, self._action = self._action, lambda: None
        action()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("request_", [{"confirm": "shop"}, {"tables": ("public.orders",)}], ids=["whole", "tables"])
@pytest.mark.parametrize("damage", [flip, cut])
def test_damage_is_found(place: Place, damage: Callable[[Path], None], request_: dict[str, Any]) -> None:
    point = take(place)
    damage(place.directory / "shop" / point / "dump.zst")
    with pytest.raises(ArchiveDamagedError, match=r"SHA-256|bytes instead of"):
        restore(place, **request_)


def test_damaged_globals_are_found(place: Place) -> None:
    flip(place.directory / "shop" / take(place) / "globals.sql.zst")
    with pytest.raises(ArchiveDamagedError, match=r"globals\.sql\.zst is damaged: its SHA-256 differs"):
        restore(place, confirm="shop")


def test_a_truncated_object_in_s3(place: Place, bucket: Bucket) -> None:
    store = {"type": "s3", "bucket": BUCKET, "prefix": "restore", "endpoint_url": bucket.proxy.url}
    place.options["destinations"] = [{**store, "access_key": "AKIATEST", "secret_key": SECRET_KEY}]
    key = f"restore/shop/{take(place)}/dump.zst"
    data = bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=data[: len(data) // 2])
    with pytest.raises(ArchiveDamagedError, match="bytes instead of"):
        restore(place, confirm="shop")


def test_a_wrong_key_and_none(place: Place) -> None:
    recipients = []
    for name in ("right", "wrong"):
        command = ["age-keygen", "-o", str(place.folder / name)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        recipients.append(made.stderr.split()[-1])
    take(place, encryption_recipients=recipients[:1])
    with pytest.raises(OpsError, match="decryption_identity"):
        restore(place, confirm="shop")
    place.options["decryption_identity"] = str(place.folder / "wrong")
    with pytest.raises(OpsError, match="no identity matched"):
        restore(place, confirm="shop")


def over_tcp(server: Server, place: Place, **changes: Any) -> Any:
    backup = place.open()
    options = {"login_host": "127.0.0.1", "login_port": server.port, "login_password": PASSWORD, **changes}
    return replace(backup, settings=with_server(backup.settings, options, "test"))


def test_a_client_of_another_major_version(server: Server, place: Place) -> None:
    take(place)
    with pytest.raises(OpsError, match="install the package postgresql-client-17"):
        restoring.restore(over_tcp(server, place), Request("shop", confirm="shop"))


@pytest.fixture
def certificate(server: Server, tmp_path: Path) -> Iterator[Path]:
    """The server speaks TLS as ``db.example.test``; the file of the authority."""
    files = [str(tmp_path / name) for name in ("server.key", "server.crt")]
    name = ["-subj", "/CN=db.example.test", "-addext", "subjectAltName=DNS:db.example.test"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name]
    subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    for path in map(Path, files):
        write = f"umask 077; cat > /var/lib/postgresql/data/{path.name}"
        command = ["docker", "exec", "-i", server.container, "sh", "-c", write]
        subprocess.run(command, input=path.read_bytes(), check=True)
    server.sql("postgres", "ALTER SYSTEM SET ssl = on")
    server.sql("postgres", "SELECT pg_reload_conf()")
    try:
        yield Path(files[1])
    finally:
        server.sql("postgres", "ALTER SYSTEM RESET ssl")
        server.sql("postgres", "SELECT pg_reload_conf()")


def test_verify_full_with_a_wrong_name(server: Server, place: Place, certificate: Path) -> None:
    take(place)
    trusting = {"ssl_mode": "verify-full", "ca_cert": str(certificate)}
    with pytest.raises(
        OpsError, match=r'certificate for "db\.example\.test".* does not match host name "127\.0\.0\.1"'
    ):
        restoring.restore(over_tcp(server, place, **trusting), Request("shop", confirm="shop"))
    # With the authority only, it gets as far as the version of the client.
    with pytest.raises(OpsError, match="postgresql-client-17"):
        restoring.restore(
            over_tcp(server, place, **{**trusting, "ssl_mode": "verify-ca"}), Request("shop", confirm="shop")
        )


def test_a_secret_is_in_no_error(server: Server, place: Place) -> None:
    """A role's password is in the statement that fails."""
    server.sql("postgres", "CREATE ROLE newcomer PASSWORD 'CANARY-of-a-role'")
    verifier = server.sql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'newcomer'")
    take(place)
    server.sql("postgres", "ALTER ROLE newcomer RENAME TO newcomer_; CREATE ROLE other; DROP ROLE newcomer_")

    def in_the_way() -> None:
        server.sql("postgres", "CREATE ROLE newcomer")

    try:
        with pytest.raises(OpsError, match=r'role "newcomer" already exists.*roles: false') as caught:
            restore(place, At("creating roles", in_the_way), confirm="shop")
    finally:
        server.sql("postgres", "DROP ROLE newcomer; DROP ROLE other")
    told = f"{caught.value.message} {caught.value.facts}" + (place.folder / "audit.jsonl").read_text(encoding="utf-8")
    assert verifier[:20] not in told


@pytest.mark.parametrize("word", [None, "comparing"], ids=["loading", "comparing"])
def test_the_server_ends_our_sessions(server: Server, place: Place, word: str | None) -> None:
    take(place)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'keelson%'"
    with pytest.raises(OpsError):
        restore(place, At(word, lambda: server.sql("postgres", end)), confirm="shop")
    # What the cut connection could not remove goes now.
    assert restore(place, into="shop_again").changed
    server.sql("postgres", "DROP DATABASE shop_again")


def test_prepared_transactions_are_told(other_server: Server, place: Place) -> None:
    """The rename would wait for them in vain."""
    take(place)
    other_server.sql("postgres", "CREATE DATABASE shop")
    other_server.sql(
        "shop", "CREATE TABLE live (a int); BEGIN; INSERT INTO live VALUES (1); PREPARE TRANSACTION 'pay 17'"
    )
    backup = place.open()
    there = replace(backup, settings=with_server(backup.settings, {"container": other_server.container}, "test"))
    try:
        with pytest.raises(OpsError, match="pay 17; commit or roll them back"):
            restoring.restore(there, Request("shop", confirm="shop"))
        assert {"shop", "postgres", "template0", "template1"} == other_server.databases()
    finally:
        other_server.sql("shop", "ROLLBACK PREPARED 'pay 17'")
        other_server.sql("postgres", "DROP DATABASE shop")


def start(place: Place, *arguments: str) -> subprocess.Popen[str]:
    """The host command as a process of its own, as the role installs it."""
    library = place.folder / "lib"
    library.mkdir(exist_ok=True)
    if not (library / "keelson").exists():
        (library / "keelson").symlink_to(PACKAGE)
    command = [sys.executable, "-m", "keelson._cli.main", "backup", *arguments, "--config-dir", str(place.configure())]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def under_way(server: Server) -> list[str]:
    return [name for name in server.databases() if name.startswith("keelson_")]


def loading(server: Server) -> bool:
    return server.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY public.noise%'") != "0"


def test_a_killed_restore_is_swept_by_the_next_run(server: Server, place: Place) -> None:
    place.options["databases"] = ["noise"]
    take(place)
    process = start(place, "restore", "--into", "noise_again")
    until(lambda: loading(server), "rows are being loaded")
    process.kill()
    process.communicate()
    assert len(under_way(server)) == 1
    assert "noise_again" not in server.databases()
    cleaned = start(place, "clean", "--json")
    out, err = cleaned.communicate()
    assert cleaned.returncode == 0, err
    assert [name.startswith("keelson_restore_test_") for name in json.loads(out)["removed"]] == [True]


def test_a_stopped_restore_cleans_up_itself(server: Server, place: Place) -> None:
    place.options["databases"] = ["noise"]
    take(place)
    process = start(place, "restore", "--into", "noise_again")
    until(lambda: loading(server), "rows are being loaded")
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 130, err
    until(lambda: under_way(server) == [], "nothing is left")


def test_killed_in_the_middle_of_the_swap(server: Server, place: Place) -> None:
    """Somebody holds the database's lock, so that the first rename has to wait; there the process is killed."""
    take(place)
    holder = subprocess.Popen(
        ["docker", "exec", "-i", server.container, "psql", "-Xq", "-U", "postgres", "-d", "postgres"],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE%' AND wait_event_type = 'Lock'"
    holder.stdin.write("BEGIN; COMMENT ON DATABASE shop IS 'held';\n")
    holder.stdin.flush()
    process = start(place, "restore", "--confirm", "shop")
    until(lambda: server.sql("postgres", waiting) == "1", "the rename waits")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    holder.communicate("ROLLBACK;\n", timeout=60)
    renaming = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE%' AND pid <> pg_backend_pid()"
    until(lambda: server.sql("postgres", renaming) == "0", "the transaction is taken back")
    assert server.sql("shop", "SELECT count(*) FROM orders") == "20000"
    assert [name for name in server.databases() if name.startswith("shop_before")] == []
    cleaned = start(place, "clean")
    out, err = cleaned.communicate()
    assert cleaned.returncode == 0, err
    assert "removed: keelson_restore_test_" in out


def test_no_room_is_told_before_anything_is_made(server: Server, place: Place) -> None:
    take(place)
    (path,) = place.manifests()
    text = path.read_text(encoding="utf-8")
    manifest = json.loads(text)
    path.write_text(text.replace(f'"database_bytes": {manifest["database_bytes"]}', f'"database_bytes": {10**15}'))
    for again in (lambda: restore(place, confirm="shop"), lambda: drilling.drill(place.open(), "shop")):
        with pytest.raises(OpsError, match=r"needs about \d+ MB on the server, \d+ MB are free"):
            again()


@pytest.fixture
def small_server() -> Iterator[Server]:
    """A server that makes new databases on a disk with room for little. Its write-ahead log is elsewhere: without room
    for that PostgreSQL ends itself.
    """
    disk = ["--tmpfs", "/small:size=64m,uid=70,gid=70,mode=0700"]
    command = ["docker", "run", "-d", "--rm", *disk, "-e", "POSTGRES_PASSWORD=x", "keelson-lab/postgres:latest"]
    made = subprocess.run([*command, "postgres"], check=True, capture_output=True, text=True)
    container = made.stdout.strip()
    try:
        ready = ["docker", "exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]
        until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, "PostgreSQL is ready")
        server = Server(container, 0)
        server.sql("postgres", "CREATE TABLESPACE small LOCATION '/small'")
        server.sql("postgres", "ALTER DATABASE template0 SET TABLESPACE small")
        yield server
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)


def test_the_disk_fills_up_meanwhile(small_server: Server, place: Place) -> None:
    small_server.sql("postgres", "CREATE DATABASE noise TEMPLATE template0")
    small_server.sql("noise", "CREATE TABLE live AS SELECT 1 AS a")
    place.options["databases"] = ["noise"]
    take(place)

    def fill() -> None:
        command = "dd if=/dev/zero of=/small/filler bs=1M 2>/dev/null; truncate -s -12M /small/filler"
        subprocess.run(["docker", "exec", small_server.container, "sh", "-c", command], check=True, timeout=60)

    backup = place.open(At(None, fill))
    there = replace(backup, settings=with_server(backup.settings, {"container": small_server.container}, "test"))
    with pytest.raises(OpsError, match="No space left on device"):
        restoring.restore(there, Request("noise", confirm="noise"))
    assert small_server.sql("noise", "SELECT a FROM live") == "1"
