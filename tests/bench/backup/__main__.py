# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a backup of ours against pg_dump's own format, SQL piped to gzip, a dump that is uploaded, and pgBackRest.

    python -m tests.bench.backup [--megabytes 2000] [--rounds 1] [--community-postgresql CHECKOUT]

Prints ratios of one run on one machine. Processor time is that of the database's container (server and programs in it)
and of the programs outside. The Engine's own for moving a stream out of the container is counted for none of them (it
is most for those that move most), nor is the S3 server's. Exit code 0 when ours needs at most 0.55 of the processor
time, 0.45 of the wall time and 0.80 of the space of "pg_dump -Fc", and 160 MiB; and, to S3, 0.55 of the wall time of a
dump to a file that is uploaded afterwards. The backup is restored, too, and has to equal what it was made of.

pgBackRest copies files, indexes included: it compares as another way to the same end, not as another dump. With a
checkout of https://github.com/ansible-collections/community.postgresql its module postgresql_db is measured too, inside
the container and without Ansible's own part; it writes SQL piped to gzip.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import community
from .store import s3_store

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "keelson-lab/postgres:latest"
ACCOUNTS_A_MEGABYTE, DOCUMENTS_A_MEGABYTE = 4800, 300
# Two thirds narrow rows as in pgbench, one third documents: text, jsonb and binary data that hardly compress.
TABLES = """
CREATE TABLE accounts (id bigint PRIMARY KEY, branch int, balance int, filler char(84));
INSERT INTO accounts SELECT g, g % 100, 0, '' FROM generate_series(1, {accounts}) AS g;
CREATE TABLE documents (id bigint PRIMARY KEY, account bigint REFERENCES accounts, written timestamptz, body text,
  raw jsonb, scan bytea);
INSERT INTO documents SELECT g, g * 7 % {accounts} + 1, timestamptz 'epoch' + g * interval '61 s',
  (SELECT string_agg(md5((g * word)::text), ' ') FROM generate_series(1, 8) AS word),
  jsonb_build_object('kind', 'order', 'n', g, 'amount', g % 997, 'who', md5((g % 5000)::text)),
  decode((SELECT string_agg(md5((g * 8 + byte)::text || 'scan'), '') FROM generate_series(1, 8) AS byte), 'hex')
  FROM generate_series(1, {documents}) AS g;
CREATE INDEX ON documents USING gin (raw);
DO $$ BEGIN PERFORM lo_from_bytea(0, 'a large object'); END $$;
VACUUM ANALYZE;
"""
LIMITS = {"cpu": 0.55, "wall": 0.45, "size": 0.80}
UPLOAD_LIMIT = 0.55
MEMORY = 160
MAIN = "import sys; from keelson._cli.main import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Cost:
    """Seconds, megabytes, and mebibytes of memory outside the container (0 when not measured)."""

    wall: float
    cpu: float
    size: float
    memory: float = 0.0


def container_cpu(container: str) -> float:
    """Processor seconds of everything in the container, since it began."""
    old = Path(f"/sys/fs/cgroup/cpuacct/docker/{container}/cpuacct.usage")
    if old.exists():
        return int(old.read_text()) / 1e9
    (new,) = Path("/sys/fs/cgroup").glob(f"**/*{container}*/cpu.stat")
    return int(new.read_text().split()[1]) / 1e6


def in_container(container: str, script: str, user: str = "postgres") -> None:
    """Run a script with the container's shell."""
    subprocess.run(
        ["docker", "exec", "-i", "-u", user, container, "bash", "-euo", "pipefail"], input=script.encode(), check=True
    )


def measure(container: str, action: Callable[[], tuple[float, float]]) -> Cost:
    """``action`` returns megabytes stored and mebibytes of memory."""
    before, outside, started = container_cpu(container), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    size, memory = action()
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = container_cpu(container) - before
    cpu += after.ru_utime + after.ru_stime - outside.ru_utime - outside.ru_stime
    return Cost(wall, cpu, size, memory)


def stored(container: str, path: str) -> float:
    """Size in megabytes of a file in the container."""
    command = ["docker", "exec", container, "stat", "-c", "%s", path]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e6


def custom(container: str) -> tuple[float, float]:
    """What pg_dump does when asked for its own format."""
    in_container(container, "pg_dump -U postgres -Fc -f /tmp/bench.dump bench")
    return stored(container, "/tmp/bench.dump"), 0.0


def gzipped(container: str) -> tuple[float, float]:
    """What most scripts do."""
    in_container(container, "pg_dump -U postgres bench | gzip > /tmp/bench.sql.gz")
    return stored(container, "/tmp/bench.sql.gz"), 0.0


def dump_then_upload(container: str, folder: Path, store: dict[str, str]) -> tuple[float, float]:
    """The guides' way to a bucket: a dump on the disk of the host, then its upload."""
    path = folder / "bench.dump"
    with path.open("wb") as stream:
        command = ["docker", "exec", "-u", "postgres", container, "pg_dump", "-U", "postgres", "-Fc", "bench"]
        subprocess.run(command, stdout=stream, check=True)
    script = (
        "import json, sys; from tests.bench.backup.store import upload; upload(json.loads(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", script, json.dumps(store), str(path)], cwd=ROOT, check=True)
    return path.stat().st_size / 1e6, 0.0


def physical(container: str) -> tuple[float, float]:
    """A full backup of the cluster's files, without the archive that recovery to a moment needs."""
    places = "--stanza=bench --pg1-path=$PGDATA --pg1-user=postgres --repo1-path=/tmp/repository"
    program = f"pgbackrest {places} --log-level-file=off --log-level-console=error"
    script = f"""
    rm -rf /tmp/repository && mkdir /tmp/repository
    {program} stanza-create
    {program} --compress-type=zst --no-archive-check --start-fast --type=full backup
    tar -C /tmp/repository -cf /tmp/repository.tar .
    """
    in_container(container, script)
    return stored(container, "/tmp/repository.tar"), 0.0


def restored(container: str, folder: Path) -> tuple[float, float]:
    """A rehearsal of the restore: into another database, compared by rows and fingerprint, dropped again."""
    size, _memory = ours(container, folder)
    command = [sys.executable, "-c", MAIN, "backup", "drill", "bench", "--quiet", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([*command, "--config-dir", str(folder)], env=environment, check=True, stdout=subprocess.DEVNULL)
    return size, 0.0


def ours(container: str, folder: Path, store: dict[str, str] | None = None) -> tuple[float, float]:
    """A backup with the host command's engine, fingerprint, hash and manifest included; to a folder or ``store``."""
    configuration = folder / "bench.json"
    configuration.touch(0o600)
    options = {
        "databases": ["bench"],
        "container": container,
        "destinations": [store or {"type": "directory", "path": str(folder / "store")}],
        "state_dir": str(folder / "state"),
        "metrics_dir": str(folder / "metrics"),
        "audit_log": str(folder / "audit.jsonl"),
        "retention": {"days": 0},
    }
    configuration.write_text(json.dumps(options), encoding="utf-8")
    (folder / "keelson").symlink_to(ROOT / "plugins" / "module_utils") if not (folder / "keelson").exists() else None
    # Its own process, so that the peak of its memory is its own: the command and the largest program it starts.
    script = (
        "import resource as r, sys; from keelson._cli.main import main; code = main(sys.argv[1:]);"
        "print(sum(r.getrusage(w).ru_maxrss for w in (r.RUSAGE_SELF, r.RUSAGE_CHILDREN)) / 1024); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "backup", "run", "bench", "--quiet", "--json", "--config-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    printed, memory = done.stdout.rsplit("}", maxsplit=1)
    return json.loads(printed + "}")["databases"][0]["bytes"] / 1e6, float(memory)


def by_module(container: str, *, restore: bool = False) -> tuple[float, float]:
    """postgresql_db, which says of a dump neither whether it is whole nor what is in it."""
    community.dump(container)
    if restore:
        community.restore(container)
    return stored(container, community.TARGET), 0.0


def make_database(megabytes: int, mounts: list[str]) -> str:
    """A container with a database of about that size; its id."""
    given = ["-e", "POSTGRES_PASSWORD=bench", "-e", "POSTGRES_DB=bench", *mounts]
    command = ["docker", "run", "-d", "--rm", *given, IMAGE]
    settings = ["postgres", "-c", "fsync=off", "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"]
    container = subprocess.run([*command, *settings], check=True, capture_output=True, text=True).stdout.strip()
    deadline = time.monotonic() + 240
    while subprocess.run(
        ["docker", "exec", container, "pg_isready", "-q", "-h", "127.0.0.1"], check=False, capture_output=True
    ).returncode:
        if time.monotonic() > deadline:
            raise SystemExit("PostgreSQL did not become ready")
        time.sleep(0.1)
    rows = {"accounts": megabytes * ACCOUNTS_A_MEGABYTE, "documents": megabytes * DOCUMENTS_A_MEGABYTE}
    sql = TABLES.format(**rows)
    in_container(container, f"psql -XqU postgres -v ON_ERROR_STOP=1 bench <<'END'\n{sql}\nCHECKPOINT;\nEND\n")
    return container


def report(costs: dict[str, list[Cost]]) -> bool:
    """Print the table; whether ours is within its limits."""
    best = {name: min(found, key=lambda cost: cost.wall) for name, found in costs.items()}
    base = best["pg_dump -Fc"]
    print(f"{'':24}{'wall s':>9}{'CPU s':>9}{'MB':>9}{'MiB':>7}   wall, CPU and size as parts of pg_dump -Fc")
    for name, cost in best.items():
        parts = "  ".join(f"{getattr(cost, key) / getattr(base, key):.2f}" for key in ("wall", "cpu", "size"))
        memory = f"{cost.memory:.0f}" if cost.memory else ""
        print(f"{name:24}{cost.wall:9.1f}{cost.cpu:9.1f}{cost.size:9.1f}{memory:>7}   {parts}")
    mine, streamed, uploaded = best["keelson"], best["keelson to S3"], best["dump, upload"]
    print(f"keelson to S3: {streamed.wall / uploaded.wall:.2f} of the wall time of dump, upload")
    within = all(getattr(mine, key) <= limit * getattr(base, key) for key, limit in LIMITS.items())
    within = within and streamed.wall <= UPLOAD_LIMIT * uploaded.wall
    return within and max(mine.memory, streamed.memory) <= MEMORY


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--megabytes", type=int, default=2000, help="size of the database, about (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many counts (default: %(default)s)")
    checkout = os.environ.get("COMMUNITY_POSTGRESQL")
    parser.add_argument("--community-postgresql", type=Path, default=checkout, help="a checkout of it")
    given = parser.parse_args()
    rival = given.community_postgresql
    container = make_database(given.megabytes, community.mounts(rival) if rival else [])
    try:
        if rival:
            community.install(container)
        with s3_store() as store:
            where = f"{platform.platform()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
            print(f"{datetime.date.today()}, {where}, {given.megabytes} MB")
            return 0 if report(compare(container, store, given.rounds, rival=bool(rival))) else 1
    finally:
        subprocess.run(["docker", "rm", "-fv", container], check=False, capture_output=True)


def compare(container: str, store: dict[str, str], rounds: int, *, rival: bool) -> dict[str, list[Cost]]:
    """Each way once a round, one after the other."""
    ways: dict[str, Callable[[Path], tuple[float, float]]] = {
        "pg_dump -Fc": lambda folder: custom(container),
        "pg_dump | gzip": lambda folder: gzipped(container),
        "keelson": lambda folder: ours(container, folder),
        "pgBackRest": lambda folder: physical(container),
        "dump, upload": lambda folder: dump_then_upload(container, folder, store),
        "keelson to S3": lambda folder: ours(container, folder, store),
        "keelson, restored": lambda folder: restored(container, folder),
    }
    if rival:
        ways["postgresql_db"] = lambda folder: by_module(container)
        ways["postgresql_db, restored"] = lambda folder: by_module(container, restore=True)
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory(prefix="keelson-bench-") as folder:
                costs[name].append(measure(container, lambda way=way, folder=folder: way(Path(folder))))
    return costs


if __name__ == "__main__":
    sys.exit(main())
