# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way a backup can fail: nothing is published, nothing stays behind, the previous backup is whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying
from ansible_collections.keelson.ops.plugins.module_utils._backup.archive import ArchiveDamagedError
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Request
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from .conftest import BUCKET, PASSWORD, SECRET_KEY, Bucket, Place, Server, until


class AtFirstByte:
    """Does something once the first bytes of a dump have gone out."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action: Callable[[], object] | None = action

    def step(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int | None) -> None:
        action, self._action = self._action, None
        if action is not None:
            action()


def nothing_new(place: Place, bucket: Bucket, before: list[Path]) -> None:
    """The destinations hold what they held before and nothing unfinished."""
    assert place.manifests() == before
    assert place.leftovers() == []
    assert bucket.uploads(place.prefix) == []
    ids = {path.parent.name for path in before}
    assert {key.split("/")[2] for key in bucket.keys(place.prefix)} == ids


def dumping(server: Server) -> list[int]:
    """Process ids, on this machine, of pg_dump in the container."""
    top = subprocess.run(
        ["docker", "top", server.container, "-eo", "pid,comm"], capture_output=True, text=True, check=True
    )
    return [int(line.split()[0]) for line in top.stdout.splitlines() if line.endswith(" pg_dump")]


def kill_dump(server: Server) -> None:
    for pid in dumping(server):
        os.kill(pid, signal.SIGKILL)


def end_session(server: Server) -> None:
    server.sql(
        "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY public.noise%'"
    )


def crash_server(server: Server) -> None:
    """One killed backend brings all of them down, and the server recovers as after a loss of power."""
    backends = server.sql("postgres", "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY public.noise%'").split()
    subprocess.run(["docker", "exec", server.container, "kill", "-9", *backends], check=True)
    ready = ["docker", "exec", server.container, "psql", "-XU", "postgres", "-c", "SELECT 1"]
    until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, "the server is back")


@pytest.mark.parametrize("fault", [kill_dump, end_session, crash_server])
def test_a_dump_that_dies_half_way(
    server: Server, bucket: Bucket, place: Place, fault: Callable[[Server], None]
) -> None:
    taking.take(place.open(databases=["noise"]))
    before = place.manifests()
    with pytest.raises(taking.SomeFailedError, match="noise"):
        taking.take(place.open(AtFirstByte(lambda: fault(server)), databases=["noise"]))
    nothing_new(place, bucket, before)
    backup = place.open(databases=["noise"])
    assert [item.fault for item in verifying.verify(backup, verifying.select(backup, ["noise"], "all"), "read")] == [
        None
    ] * 2
    metrics = (place.folder / "metrics" / "keelson_backup_test.prom").read_text(encoding="utf-8")
    assert 'last_attempt_status{backup="test",database="noise"} 0' in metrics


def test_one_failing_database_does_not_stop_the_others(server: Server, bucket: Bucket, place: Place) -> None:
    with pytest.raises(taking.SomeFailedError, match="nowhere") as caught:
        taking.take(place.open(databases=["nowhere", "shop"]))
    assert [taken.plan.database for taken in caught.value.taken] == ["shop"]
    nothing_new(place, bucket, place.manifests())
    assert len(place.manifests()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(bucket: Bucket, place: Place, small_disk: Path) -> None:
    first = {"destinations": [{"type": "directory", "path": str(small_disk)}, place.options["destinations"][1]]}
    with pytest.raises(taking.SomeFailedError, match="No space left on device"):
        taking.take(place.open(databases=["noise"], **first))
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []
    nothing_new(place, bucket, [])


def part(method: str, path: str) -> bool:
    return method == "PUT" and "partNumber" in path


@pytest.mark.parametrize("kind", ["503", "cut"])
def test_a_passing_fault_of_the_store_is_retried(bucket: Bucket, place: Place, kind: str) -> None:
    fault = bucket.proxy.fail(kind, part, times=2)
    taking.take(place.open(databases=["noise"]))
    assert fault.hits == 2
    backup = place.open(databases=["noise"])
    assert [item.fault for item in verifying.verify(backup, verifying.select(backup, ["noise"], "all"), "hash")] == [
        None
    ] * 2


@pytest.mark.parametrize(
    "matches",
    [
        pytest.param(part, id="parts"),
        pytest.param(lambda method, path: method == "POST" and "uploadId" in path, id="completion"),
        pytest.param(lambda method, path: method == "PUT" and path.endswith("manifest.json"), id="manifest"),
    ],
)
def test_a_lasting_fault_of_the_store_publishes_nothing(
    bucket: Bucket, place: Place, matches: Callable[[str, str], bool]
) -> None:
    taking.take(place.open())
    before = place.manifests()
    place.options["destinations"][1]["max_attempts"] = 2
    bucket.proxy.fail("503", matches)
    with pytest.raises(taking.SomeFailedError, match="SlowDown"):
        taking.take(place.open())
    nothing_new(place, bucket, before)


def test_a_store_that_always_cuts_the_connection(bucket: Bucket, place: Place) -> None:
    taking.take(place.open())
    before = place.manifests()
    place.options["destinations"][1]["max_attempts"] = 2
    fault = bucket.proxy.fail("cut", part)
    with pytest.raises(taking.SomeFailedError, match="a part of"):
        taking.take(place.open())
    assert fault.hits == 2
    nothing_new(place, bucket, before)


def test_a_store_that_takes_no_more_is_given_up(bucket: Bucket, place: Place) -> None:
    taking.take(place.open())
    before = place.manifests()
    bucket.proxy.fail("stuck", part)
    with pytest.raises(taking.SomeFailedError, match=r"nothing moved for 2 s.*stall_timeout"):
        taking.take(place.open(databases=["noise"], stall_timeout=2))
    nothing_new(place, bucket, before)


def test_a_store_that_is_gone_is_swept_when_it_is_back(bucket: Bucket, place: Place) -> None:
    place.options["destinations"][1]["max_attempts"] = 2
    fault = bucket.proxy.fail("503", lambda method, path: part(method, path) or method == "DELETE")
    with pytest.raises(taking.SomeFailedError):
        taking.take(place.open())
    assert bucket.uploads(place.prefix) != []
    fault.times = 0
    (taken,) = taking.take(place.open())
    assert any("upload" in item for item in taken.swept)
    nothing_new(place, bucket, place.manifests())


def test_a_download_that_is_cut_goes_on_where_it_was(bucket: Bucket, place: Place) -> None:
    taking.take(place.open(databases=["noise"]))
    fault = bucket.proxy.fail("cut answer", lambda method, path: method == "GET" and path.endswith("dump.zst"), times=2)
    only_s3 = {"destinations": place.options["destinations"][1:]}
    backup = place.open(databases=["noise"], **only_s3)
    (checked,) = verifying.verify(backup, verifying.select(backup, ["noise"], "latest"), "read")
    assert (checked.fault, fault.hits) == (None, 2)


def start(place: Place, *arguments: str) -> subprocess.Popen[str]:
    """The host command as a process of its own, as the role installs it."""
    place.options["databases"] = ["noise"]
    command, environment = place.command(*arguments), place.environment()
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def sessions(server: Server) -> int:
    return int(
        server.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keelson backup test'")
    )


def test_a_killed_run_is_swept_by_the_next_one(server: Server, bucket: Bucket, place: Place) -> None:
    process = start(place, "run")
    until(lambda: bucket.uploads(place.prefix) and dumping(server), "an upload has begun")
    process.kill()
    process.communicate()
    assert place.manifests() == []
    assert bucket.uploads(place.prefix) != []
    again = start(place, "run", "--json")
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert "swept" in out
    nothing_new(place, bucket, place.manifests())
    assert len(place.manifests()) == 1
    until(lambda: sessions(server) == 0, "no session of ours is left")


def test_a_stopped_run_cleans_up_itself(server: Server, bucket: Bucket, place: Place) -> None:
    process = start(place, "run")
    until(lambda: bucket.uploads(place.prefix) and dumping(server), "an upload has begun")
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 130, err
    nothing_new(place, bucket, [])
    until(lambda: sessions(server) == 0, "no session of ours is left")


def test_two_runs_at_once(server: Server, bucket: Bucket, place: Place) -> None:
    first = start(place, "run")
    until(lambda: bucket.uploads(place.prefix), "the first run is under way")
    place.options["lock_timeout"] = 0
    second = start(place, "run")
    _, err = second.communicate()
    assert second.returncode == 3, err
    assert f"process {first.pid}" in err
    _, err = first.communicate()
    assert first.returncode == 0, err


def test_a_flipped_bit_is_found_and_the_point_before_is_used(server: Server, bucket: Bucket, place: Place) -> None:
    good, bad = (taking.take(place.open())[0].manifest for _ in range(2))
    assert good is not None
    assert bad is not None
    bucket.flip_a_bit(f"{place.prefix}/shop/{bad.id}/dump.zst")
    path = place.directory / "shop" / bad.id / "dump.zst"
    path.write_bytes(path.read_bytes()[:-100])
    backup = place.open()
    before = server.databases()
    with pytest.raises(ArchiveDamagedError, match="bytes instead of"):
        restoring.restore(backup, Request("shop", into="shop_again"))
    assert server.databases() == before
    checked = verifying.verify(backup, verifying.select(backup, ["shop"], "all"), "hash")
    faults = {(item.listed.point.id, item.listed.storage.location): item.fault for item in checked}
    assert [fault for (point, _), fault in faults.items() if point == good.id] == [None, None]
    assert "bytes instead of" in str(faults[bad.id, str(place.directory)])
    assert "SHA-256" in str(faults[bad.id, f"s3://{BUCKET}/{place.prefix}"])
    assert drilling.drill(backup, "shop").listed.point.id == good.id
    taking.take(place.open(retention={"days": 30}))
    assert bad.id not in {p.parent.name for p in place.manifests()}
    assert good.id in {p.parent.name for p in place.manifests()}


def over_tcp(server: Server, place: Place, **changes: object) -> dict[str, object]:
    options = {
        **place.options,
        "login_host": "127.0.0.1",
        "login_port": server.port,
        "login_password": PASSWORD,
        **changes,
    }
    return {key: value for key, value in options.items() if key != "container"}


def test_a_wrong_password_is_told_without_any_secret(server: Server, place: Place) -> None:
    place.options.update(over_tcp(server, place, login_password="CANARY-wrong-password"))
    del place.options["container"]
    with pytest.raises(taking.SomeFailedError, match="password authentication failed") as caught:
        taking.take(place.open())
    text = f"{caught.value.message} {caught.value.facts}" + (place.folder / "audit.jsonl").read_text(encoding="utf-8")
    assert "CANARY" not in text


def test_a_client_of_another_major_version_is_refused_with_the_fix(server: Server, place: Place) -> None:
    place.options.update(over_tcp(server, place))
    del place.options["container"]
    with pytest.raises(taking.SomeFailedError, match="install the package postgresql-client-17"):
        taking.take(place.open())
    assert place.manifests() == []


@pytest.fixture
def authority(server: Server, tmp_path: Path) -> Iterator[Path]:
    """The server speaks TLS, with a certificate for the name ``localhost`` only; the authority's certificate."""
    certificate = tmp_path / "server.crt"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "server.key"), "-out", str(certificate)]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    for file in ("server.crt", "server.key"):
        place = f"/var/lib/postgresql/{file}"
        write = ["docker", "exec", "-i", "-u", "postgres", server.container, "sh", "-c", f"umask 77; cat > {place}"]
        subprocess.run(write, input=(tmp_path / file).read_bytes(), check=True)
        setting = "ssl_cert_file" if file.endswith("crt") else "ssl_key_file"
        server.sql("postgres", f"ALTER SYSTEM SET {setting} = '{place}'")
    server.sql("postgres", "ALTER SYSTEM SET ssl = on")
    server.sql("postgres", "SELECT pg_reload_conf()")
    until(lambda: server.sql("postgres", "SHOW ssl") == "on", "the server speaks TLS")
    yield certificate
    server.sql("postgres", "ALTER SYSTEM SET ssl = off")
    server.sql("postgres", "SELECT pg_reload_conf()")


def test_verify_full_refuses_a_server_of_another_name(server: Server, place: Place, authority: Path) -> None:
    place.options.update(over_tcp(server, place, ssl_mode="verify-full", ca_cert=str(authority)))
    del place.options["container"]
    with pytest.raises(taking.SomeFailedError, match=r'"localhost".* does not match host name "127.0.0.1"'):
        taking.take(place.open())
    # With the certificate's own name it gets further: to the client, which is of another version.
    with pytest.raises(taking.SomeFailedError, match="install the package postgresql-client-17"):
        taking.take(place.open(login_host="localhost"))
    with pytest.raises(taking.SomeFailedError, match="certificate verify failed"):
        taking.take(place.open(login_host="localhost", ca_cert="/etc/ssl/certs/ca-certificates.crt"))
    assert place.manifests() == []


def test_missing_bucket_is_told_before_anything_is_dumped(server: Server, place: Place) -> None:
    place.options["destinations"] = [{**place.options["destinations"][1], "bucket": "nowhere"}]
    with pytest.raises(OpsError, match=r"nowhere.*404"):
        taking.take(place.open())
    assert SECRET_KEY not in (place.folder / "metrics" / "keelson_backup_test.prom").read_text(encoding="utf-8")
