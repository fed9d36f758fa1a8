# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a database to restore points and back, with a real server."""

from __future__ import annotations

import stat

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup import restore as restoring
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying
from ansible_collections.keelson.ops.plugins.module_utils._backup.manifest import parse_manifest
from ansible_collections.keelson.ops.plugins.module_utils._backup.restore_plan import Request
from ansible_collections.keelson.ops.plugins.module_utils._backup.work_place import name_prefix
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

from .conftest import BUCKET, Bucket, Place, Server


def test_a_backup_is_in_every_destination_and_restores(server: Server, bucket: Bucket, place: Place) -> None:
    backup = place.open()
    (taken,) = taking.take(backup)
    assert taken.manifest is not None

    listed = verifying.list_points(backup)
    assert [item.storage.location for item in listed] == [str(place.directory), f"s3://backups/{place.prefix}"]
    assert {item.point.id for item in listed} == {taken.manifest.id}
    assert len(bucket.keys(f"{place.prefix}/shop/{taken.manifest.id}/")) == 3
    checked = verifying.verify(backup, verifying.select(backup, ["shop"], "all"), "read")
    assert [(item.level, item.fault) for item in checked] == [("read", None), ("read", None)]

    restored = restoring.restore(backup, Request("shop", into="shop_again"))
    try:
        assert restored.rows == 20002
        query = (
            "SELECT count(*), sum((raw->>'n')::int), min(tableowner) FROM orders, pg_tables WHERE tablename = 'orders'"
        )
        assert server.sql("shop_again", query) == server.sql("shop", query) == "20000|200010000|shopkeeper"
        assert server.sql("shop_again", "SELECT count(*) FROM pg_largeobject_metadata") == "1"
        assert restoring.restore(backup, Request("shop", into="shop_again")).changed is False
        with pytest.raises(OpsError, match="exists already"):
            restoring.restore(backup, Request("shop", into="noise"))
    finally:
        server.sql("postgres", "DROP DATABASE shop_again")


def test_the_manifest_describes_the_backup(server: Server, place: Place) -> None:
    taking.take(place.open(databases=["shop", "postgres"]))
    assert len(place.manifests()) == 2
    (path,) = place.directory.glob("shop/*/manifest.json")
    manifest = parse_manifest(path.read_bytes(), "here")
    version = server.sql("shop", "SHOW server_version_num")
    assert manifest.server_version == f"{int(version) // 10000}.{int(version) % 10000}"
    assert {(t.table, t.rows, t.method) for t in manifest.fingerprint.tables} == {
        ("orders", 20000, "full"),
        ('We"ird', 2, "full"),
    }
    assert "plpgsql" in manifest.extensions
    assert manifest.globals is not None
    assert manifest.globals_have_passwords
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for folder in (place.directory, *(p for p in place.directory.rglob("*") if p.is_dir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("program", ["zstd", "pg_dump"])
def test_whichever_program_compresses_a_large_table_is_the_same_after_a_restore(place: Place, program: str) -> None:
    (taken,) = taking.take(place.open(databases=["noise"], compression_program=program))
    assert taken.manifest is not None
    assert [(table.rows, table.method) for table in taken.manifest.fingerprint.tables] == [(40000, "sample")]
    assert drilling.drill(place.open(databases=["noise"]), "noise").rows == 40000


def test_the_fingerprint_is_of_the_dumps_own_snapshot(server: Server, place: Place) -> None:
    class Writer:
        """Adds a row while the dump runs."""

        def step(self, text: str) -> None:
            if text.startswith("dumping"):
                server.sql("shop", 'INSERT INTO "We""ird" VALUES (3, NULL)')

        def progress(self, done: int, total: int | None) -> None:
            pass

    try:
        taking.take(place.open(Writer()))
        assert drilling.drill(place.open(), "shop").rows == 20002
    finally:
        server.sql("shop", 'DELETE FROM "We""ird" WHERE a = 3')


def test_a_dump_goes_encrypted_into_an_archive_and_is_listed_from_there(bucket: Bucket, place: Place) -> None:
    wanted = {"server_side_encryption": "aws:kms", "kms_key_id": "alias/backups", "storage_class": "GLACIER"}
    archive = {"destinations": [{**place.options["destinations"][1], **wanted}]}
    taking.take(place.open(**archive))
    kinds = {}
    for key in bucket.keys(f"{place.prefix}/"):
        found = bucket.client.head_object(Bucket=BUCKET, Key=key)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "alias/backups")
        kinds[key.rsplit("/", maxsplit=1)[-1]] = found.get("StorageClass", "STANDARD")
    assert kinds == {"dump.zst": "GLACIER", "globals.sql.zst": "STANDARD", "manifest.json": "STANDARD"}
    (listed,) = verifying.list_points(place.open(**archive))
    assert listed.manifest is not None


def test_max_age_and_retention(place: Place) -> None:
    keep_two = {"retention": {"daily": 0, "min_keep": 2}}
    ids = [taking.take(place.open(**keep_two))[0].manifest for _ in range(3)]
    assert [path.parent.name for path in place.manifests()] == [m.id for m in ids[1:] if m]
    (again,) = taking.take(place.open(max_age="1h"))
    assert again.manifest is None
    assert len(place.manifests()) == 2


def test_a_drill_leaves_no_database_and_tells_the_time(server: Server, place: Place) -> None:
    taking.take(place.open())
    before = server.databases()
    server.sql("postgres", f"CREATE DATABASE {name_prefix('drill', 'test')}00c0ffee")
    good = {"assertions": [{"sql": "SELECT count(*) = 20000 FROM orders"}]}
    done = drilling.drill(place.open(**good), "shop")
    assert (done.assertions, server.databases()) == (1, before)
    metrics = (place.folder / "metrics" / "keelson_backup_test.prom").read_text(encoding="utf-8")
    assert f'keelson_restore_test_duration_seconds{{backup="test",database="shop"}} {done.seconds:.17g}' in metrics
    with pytest.raises(restoring.RestoredDiffersError, match="instead of true"):
        drilling.drill(place.open(assertions=[{"sql": "SELECT count(*) = 1 FROM orders"}]), "shop")
    assert server.databases() == before


def test_a_backup_during_a_drill_disturbs_neither(server: Server, place: Place) -> None:
    class Other:
        """Takes a backup while the drill's database is being filled."""

        def step(self, text: str) -> None:
            pass

        def progress(self, done: int, total: int | None) -> None:
            if len(place.manifests()) == 1:
                taking.take(place.open())

    taking.take(place.open())
    assert drilling.drill(place.open(Other()), "shop").rows == 20002
    assert len(place.manifests()) == 2


def test_a_restore_that_differs_from_its_fingerprint_is_removed(server: Server, place: Place) -> None:
    taking.take(place.open())
    (path,) = place.manifests()
    path.write_text(path.read_text(encoding="utf-8").replace('"rows": 20000', '"rows": 20001'), encoding="utf-8")
    before = server.databases()
    with pytest.raises(restoring.RestoredDiffersError, match=r"orders: 20000 rows, expected 20001"):
        restoring.restore(place.open(), Request("shop", into="shop_again"))
    assert server.databases() == before


def test_a_manifest_is_never_overwritten(place: Place) -> None:
    backup = place.open()
    taking.take(backup)
    (path,) = place.manifests()
    for storage in backup.storages:
        with pytest.raises(OpsError):
            storage.publish(str(path.relative_to(place.directory)), b"other")
