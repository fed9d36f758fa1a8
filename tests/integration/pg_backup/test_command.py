# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any program's dump goes the way of all backups. The program stands in for mongodump --archive, which was not run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._backup import drill as drilling
from ansible_collections.keelson.ops.plugins.module_utils._backup import take as taking
from ansible_collections.keelson.ops.plugins.module_utils._backup import verify as verifying
from ansible_collections.keelson.ops.plugins.module_utils._backup.backup import open_backup
from ansible_collections.keelson.ops.plugins.module_utils._backup.settings import parse_settings

from .conftest import BUCKET, Bucket, Place
from .test_ansible import module

# Writes an archive with a mark at its end, as fast as it is taken; reads one and insists on the mark.
DUMP = """
import os, sys
for number in range(int(sys.argv[1])):
    sys.stdout.buffer.write(os.urandom(1 << 20))
sys.stdout.buffer.write(os.environ.get("MARK", "the end").encode())
sys.stdout.flush()
sys.exit(int(sys.argv[2]))
"""
READ = """
import os, sys
data = sys.stdin.buffer.read()
sys.exit(0 if data.endswith(os.environ.get("MARK", "the end").encode()) else "no end of the archive")
"""


def dump(megabytes: int = 1, code: int = 0) -> tuple[str, ...]:
    return (sys.executable, "-c", DUMP, str(megabytes), str(code))


@pytest.fixture
def mongo(place: Place) -> Place:
    options = place.of_command(*dump(), name="mongo", verify_command=[sys.executable, "-c", READ])
    place.options.clear()
    place.options.update(options)
    return place


def test_a_commands_dump_is_stored_verified_and_extracted(bucket: Bucket, mongo: Place) -> None:
    first = mongo.cli("run", "--json")
    assert first.returncode == 0, first.stderr
    (manifest,) = mongo.manifests()
    assert len(bucket.keys(f"{mongo.prefix}/@commands/mongo/")) == 2
    checked = mongo.cli("verify", "--level", "read")
    assert checked.stdout.decode().count("is whole (read)") == 2
    target = mongo.folder / "extracted"
    assert mongo.cli("extract", "--to", str(target)).returncode == 0
    assert (target.stat().st_mode & 0o777, target.stat().st_size) == (0o600, (1 << 20) + len("the end"))
    assert mongo.cli("extract", "--to", "-").stdout == target.read_bytes()
    again = mongo.cli("extract", "--to", str(target))
    assert (again.returncode, b"exists already" in again.stderr) == (1, True)
    refused = mongo.cli("drill")
    assert (refused.returncode, b"keelson backup extract mongo" in refused.stderr) == (1, True)
    assert [path.name for path in manifest.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize("damage", ["flipped bit", "truncated", "longer", "missing"])
@pytest.mark.parametrize("where", [0, 1], ids=["directory", "s3"])
def test_nothing_damaged_is_extracted(bucket: Bucket, mongo: Place, where: int, damage: str) -> None:
    mongo.options["destinations"] = [mongo.options["destinations"][where]]
    manifest = taking.take(mongo.open())[0].manifest
    assert manifest is not None
    name = f"mongo/{manifest.id}/dump.zst"
    path, key = mongo.directory / "@commands" / name, {"Bucket": BUCKET, "Key": f"{mongo.prefix}/@commands/{name}"}
    data = path.read_bytes() if where == 0 else bucket.client.get_object(**key)["Body"].read()
    changed = {
        "flipped bit": data[:-2000] + bytes([data[-2000] ^ 1]) + data[-1999:],
        "truncated": data[: len(data) // 2],
        "longer": data + b"x",
        "missing": None,
    }[damage]
    if where == 1:
        bucket.client.delete_object(**key)
        if changed is not None:
            bucket.client.put_object(**key, Body=changed)
    elif changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    code = 1 if damage == "missing" else 4
    out = mongo.cli("extract", "--to", "-")
    assert (out.returncode, out.stdout) == (code, b"")
    target = mongo.folder / "extracted"
    assert mongo.cli("extract", "--to", str(target)).returncode == code
    assert [found.name for found in mongo.folder.glob("extracted*")] == []
    assert mongo.cli("verify", "--level", "hash").returncode == 4


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (dump(1, 3), "exit code 3"),
        ((sys.executable, "-c", "pass"), "wrote nothing"),
        ((sys.executable, "-c", "import sys; sys.exit(7)"), "exit code 7"),
        (("/nonexistent/mongodump",), "cannot be run"),
        ((sys.executable, "-c", "import time; time.sleep(600)"), "nothing moved for 1 s"),
        (
            (sys.executable, "-c", "import time; print('x' * 2**21, flush=True); time.sleep(600)"),
            "nothing moved for 1 s",
        ),
    ],
)
def test_a_command_that_fails_publishes_nothing(
    bucket: Bucket, mongo: Place, command: tuple[str, ...], words: str
) -> None:
    taking.take(mongo.open())
    before = mongo.manifests()
    with pytest.raises(taking.SomeFailedError, match=words):
        taking.take(mongo.open(command=list(command), stall_timeout=1))
    assert mongo.manifests() == before
    assert mongo.leftovers() == []
    assert bucket.uploads(mongo.prefix) == []
    assert len(bucket.keys(mongo.prefix)) == 2


def test_a_database_of_the_same_name_is_another_thing(bucket: Bucket, place: Place) -> None:
    taking.take(place.open())
    command = {**place.of_command(*dump()), "name": "shop", "retention": {"days": 0, "min_keep": 1}}
    place.options["name"] = "other"
    for _ in range(2):
        taking.take(open_backup(parse_settings(command)))
    assert len(place.manifests()) == 2
    assert [item.need_manifest().source for item in verifying.list_points(open_backup(parse_settings(command)))] == [
        "command"
    ] * 2
    assert drilling.drill(place.open(), "shop").rows == 20002


def test_two_backups_of_a_host_never_share_a_folder(place: Place) -> None:
    folder = place.configure(name="first")
    (folder / "test.json").rename(folder / "first.json")
    refused = place.cli("list", "test")
    assert refused.returncode == 1
    assert b"test and first of this host both keep their points in" in refused.stderr or (
        b"first and test of this host both keep their points in" in refused.stderr
    )


def test_all_backups_of_a_host_are_taken_also_when_one_fails(bucket: Bucket, mongo: Place) -> None:
    folder = mongo.configure()
    other = folder / "other.json"
    other.touch(0o600)
    other.write_text(json.dumps({**mongo.options, "name": "other", "command": list(dump(1, 3))}), encoding="utf-8")
    unclear = mongo.cli("run")
    assert (unclear.returncode, b"configured here: mongo, other" in unclear.stderr) == (1, True)
    done = mongo.cli("run", "--all", "--json")
    assert (done.returncode, b"backup other: " in done.stderr, b"exit code 3" in done.stderr) == (1, True, True)
    assert [item["database"] for item in json.loads(done.stdout)["databases"]] == ["mongo"]
    assert len(mongo.manifests()) == 1
    planned = mongo.cli("run", "--all", "--check")
    assert planned.returncode == 0
    assert planned.stdout.count(b"would take a backup") == 2


def test_the_environment_of_a_command_is_secret(mongo: Place) -> None:
    options = {**mongo.options, "command_env": {"MARK": "CANARY-mark"}}
    options["command"] = [
        sys.executable,
        "-c",
        "import os, sys; print(os.environ['MARK'], file=sys.stderr); sys.exit(1)",
    ]
    result, text = module("pg_backup", options, "-vvv")
    assert result["failed"]
    assert "CANARY" not in text
    kept = [path for path in mongo.folder.rglob("*") if path.is_file() and b"CANARY" in path.read_bytes()]
    assert kept == []


def test_a_slow_store_does_not_fill_the_memory(bucket: Bucket, mongo: Place) -> None:
    """Random data of 128 MB through a store that takes 32 MB a second, two parts at a time."""
    mongo.options["command"] = list(dump(128))
    mongo.options["destinations"] = mongo.options["destinations"][1:]
    bucket.proxy.fail("slow", lambda method, path: method == "PUT" and "partNumber" in path)
    arguments = mongo.command("run", "--quiet")
    script = (
        "import resource, runpy, sys; sys.argv[:] = sys.argv[1:]\n"
        "try:\n    runpy.run_module('keelson._cli.main', run_name='__main__')\n"
        "except SystemExit as end:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n    raise"
    )
    own = [arguments[0], "-c", script, *arguments[2:]]
    done = subprocess.run(own, env=mongo.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 160 * 1024
