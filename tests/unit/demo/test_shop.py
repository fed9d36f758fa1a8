# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the demonstration application."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone

import pytest

from lab.demo.backend.shop import health, migrations
from lab.demo.backend.shop.faults import ErrorBudget, FaultError, Faults, changed, from_environment
from lab.demo.backend.shop.logs import JsonFormatter
from lab.demo.backend.shop.passwords import hash_password, password_matches
from lab.demo.backend.shop.retry import next_delay
from lab.demo.backend.shop.settings import SettingsError, load

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ENVIRONMENT = {"DATABASE_URL": "postgresql://shop@db/shop", "REDIS_URL": "redis://cache", "JWT_SECRET": "k" * 32}


def no_files(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


class TestSettings:
    def test_secrets_come_from_the_environment_or_from_files(self) -> None:
        given = {**ENVIRONMENT, "JWT_SECRET_PREVIOUS_FILE": "/run/secrets/old"}
        settings = load(given, {"/run/secrets/old": "o" * 40 + "\n"}.__getitem__)
        assert settings.jwt_secrets == ("k" * 32, "o" * 40)

    @pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"])
    def test_what_is_missing_is_named(self, name: str) -> None:
        with pytest.raises(SettingsError, match=name):
            load({key: value for key, value in ENVIRONMENT.items() if key != name}, no_files)

    def test_an_unreadable_secret_file_is_named(self) -> None:
        with pytest.raises(SettingsError, match="JWT_SECRET_FILE: /nowhere: No such file"):
            load({**ENVIRONMENT, "JWT_SECRET_FILE": "/nowhere"}, no_files)

    def test_a_short_secret_is_refused_and_not_shown(self) -> None:
        with pytest.raises(SettingsError, match="shorter than 32") as caught:
            load({**ENVIRONMENT, "JWT_SECRET": "short-one"}, no_files)
        assert "short-one" not in str(caught.value)

    def test_faults_need_a_token(self) -> None:
        with pytest.raises(SettingsError, match="FAULTS_TOKEN"):
            load({**ENVIRONMENT, "FAULTS_ENABLED": "1"}, no_files)


class TestHealth:
    @pytest.mark.parametrize(
        ("services", "status", "code"),
        [
            ({"database": "healthy", "redis": "healthy", "email": "disabled"}, "healthy", 200),
            ({"database": "healthy", "redis": "unhealthy", "email": "healthy"}, "degraded", 200),
            ({"database": "unhealthy", "redis": "healthy", "email": "healthy"}, "unhealthy", 503),
        ],
    )
    def test_only_the_database_takes_an_instance_out(self, services: dict[str, str], status: str, code: int) -> None:
        full = health.document(services, now=NOW, uptime=61.9)
        assert full == {"status": status, "timestamp": "2026-01-02T03:04:05.000Z", "uptime": 61, "services": services}
        assert health.status_code(full) == code

    def test_the_short_form_tells_the_database_alone(self) -> None:
        full = health.document({"database": "healthy"}, now=NOW, uptime=1)
        assert health.short_document(full, {"database": "healthy"})["database"] == "connected"
        assert health.short_document(full, {"database": "unhealthy"})["database"] == "disconnected"

    def test_it_fails_on_request(self) -> None:
        assert health.status_code(health.document({"database": "healthy"}, now=NOW, uptime=1, failing=True)) == 503


class TestMigrations:
    FILES = {  # noqa: RUF012
        "0002_b.up.sql": "B",
        "0002_b.down.sql": "b",
        "0001_a.up.sql": "A",
        "0001_a.down.sql": "a",
    }

    def test_they_are_ordered_and_paired(self) -> None:
        assert [str(migration) for migration in migrations.parse(self.FILES)] == ["0001_a", "0002_b"]

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({"1_a.sql": ""}, "expected 0001_name"),
            ({"0001_a.up.sql": ""}, "0001_a has no down file"),
            ({f"0001_{n}.{way}.sql": "" for n in "ab" for way in ("up", "down")}, "same number"),
        ],
    )
    def test_files_that_do_not_fit_are_refused(self, files: dict[str, str], message: str) -> None:
        with pytest.raises(migrations.MigrationError, match=message):
            migrations.parse(files)

    def test_only_what_is_new_is_pending(self) -> None:
        first, second = migrations.parse(self.FILES)
        assert migrations.pending([first, second], {}) == [first, second]
        assert migrations.pending([first, second], {1: first.checksum}) == [second]

    def test_an_older_release_starts_on_a_newer_schema(self) -> None:
        first, second = migrations.parse(self.FILES)
        applied = {1: first.checksum, 2: second.checksum}
        assert migrations.pending([first], applied) == []
        assert migrations.describe([first], applied)[-1].startswith("newer    0002")

    def test_an_edited_migration_is_refused(self) -> None:
        with pytest.raises(migrations.MigrationError, match="0001_a was changed"):
            migrations.pending(migrations.parse(self.FILES), {1: "other"})

    def test_a_migration_before_an_applied_one_is_refused(self) -> None:
        first, second = migrations.parse(self.FILES)
        with pytest.raises(migrations.MigrationError, match="0001_a comes before 0002"):
            migrations.pending([first, second], {2: second.checksum})


class TestFaults:
    def test_the_environment_turns_them_on(self) -> None:
        given = {"FAULT_SLOW_START_SECONDS": "2.5", "FAULT_IGNORE_SIGTERM": "1", "FAULT_FAIL_HEALTH": "0"}
        assert from_environment(given) == Faults(slow_start_seconds=2.5, ignore_sigterm=True)

    @pytest.mark.parametrize("changes", [{"nope": 1}, {"error_rate": "much"}])
    def test_nonsense_is_refused(self, changes: dict[str, object]) -> None:
        with pytest.raises(FaultError):
            changed(Faults(), changes)

    def test_failures_are_spread_evenly(self) -> None:
        budget = ErrorBudget()
        assert [budget.fails(0.25) for attempt in range(8)] == [False, False, False, True] * 2
        assert sum(budget.fails(0.1) for attempt in range(100)) == 10
        assert not budget.fails(0)
        assert budget.fails(1)


def test_retries_double_and_end() -> None:
    delays = [next_delay(attempt, base=2, limit=4) for attempt in (1, 2, 3, 4)]
    assert delays == [2, 4, 8, None]
    assert next_delay(40, base=2, limit=100) == 3600


def test_passwords_are_kept_salted() -> None:
    kept = hash_password("correct horse", b"salt" * 4)
    assert password_matches("correct horse", kept)
    assert not password_matches("wrong horse", kept)
    assert not password_matches("x", "not ours")
    assert kept != hash_password("correct horse", b"pepper" * 4)


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "User %s", ("in",), None)
    record.fields = {"userId": 7}
    record.created = NOW.timestamp()
    line = JsonFormatter().format(record)
    assert json.loads(line) == {
        "level": "warn",
        "timestamp": "2026-01-02T03:04:05.000Z",
        "message": "User in",
        "userId": 7,
    }
    assert "\n" not in line
