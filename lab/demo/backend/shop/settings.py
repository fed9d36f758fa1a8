# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment; secrets also from files named by ``<NAME>_FILE``. Pure but for the file reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MINIMUM_SECRET = 32


class SettingsError(Exception):
    """A variable is missing or wrong; the message names it and never holds its value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the process is told from outside."""

    version: str
    port: int
    database_url: str = field(repr=False)
    database_password: str | None = field(repr=False)
    database_pool: int
    redis_url: str = field(repr=False)
    redis_password: str | None = field(repr=False)
    jwt_secrets: tuple[str, ...] = field(repr=False)
    jwt_seconds: int
    smtp: tuple[str, int] | None
    webhook_url: str | None
    webhook_attempts: int
    webhook_base_seconds: float
    grace_seconds: float
    log_level: str
    faults_enabled: bool
    faults_token: str | None = field(repr=False)


def load(environment: Mapping[str, str], read_file: Callable[[str], str]) -> Settings:
    """The settings in ``environment``. Raises SettingsError."""
    source = _Source(environment, read_file)
    current = source.secret("JWT_SECRET")
    previous = source.secret("JWT_SECRET_PREVIOUS")
    if current is None:
        raise SettingsError("JWT_SECRET or JWT_SECRET_FILE is required")
    for name, value in (("JWT_SECRET", current), ("JWT_SECRET_PREVIOUS", previous)):
        if value is not None and len(value) < MINIMUM_SECRET:
            raise SettingsError(f"{name} is shorter than {MINIMUM_SECRET} characters")
    faults = environment.get("FAULTS_ENABLED") == "1"
    token = source.secret("FAULTS_TOKEN")
    if faults and token is None:
        raise SettingsError("FAULTS_ENABLED=1 needs FAULTS_TOKEN or FAULTS_TOKEN_FILE")
    return Settings(
        version=environment.get("VERSION", "0.0.0"),
        port=source.whole("PORT", 8000),
        database_url=source.required("DATABASE_URL"),
        database_password=source.secret("DATABASE_PASSWORD"),
        database_pool=source.whole("DATABASE_POOL_MAX", 10),
        redis_url=source.required("REDIS_URL"),
        redis_password=source.secret("REDIS_PASSWORD"),
        jwt_secrets=(current,) if previous is None else (current, previous),
        jwt_seconds=source.whole("JWT_EXPIRES_SECONDS", 3600),
        smtp=_address(environment),
        webhook_url=environment.get("WEBHOOK_URL") or None,
        webhook_attempts=source.whole("WEBHOOK_ATTEMPTS", 5),
        webhook_base_seconds=source.number("WEBHOOK_BASE_SECONDS", 2.0),
        grace_seconds=source.number("GRACE_SECONDS", 20.0),
        log_level=environment.get("LOG_LEVEL", "info"),
        faults_enabled=faults,
        faults_token=token,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    environment: Mapping[str, str]
    read_file: Callable[[str], str]

    def secret(self, name: str) -> str | None:
        path = self.environment.get(f"{name}_FILE")
        if not path:
            return self.environment.get(name) or None
        try:
            return self.read_file(path).strip() or None
        except OSError as error:
            raise SettingsError(f"{name}_FILE: {path}: {error.strerror}") from None

    def required(self, name: str) -> str:
        value = self.secret(name)
        if value is None:
            raise SettingsError(f"{name} or {name}_FILE is required")
        return value

    def whole(self, name: str, default: int) -> int:
        return int(self.number(name, default))

    def number(self, name: str, default: float) -> float:
        try:
            return float(self.environment.get(name) or default)
        except ValueError:
            raise SettingsError(f"{name} is not a number") from None


def _address(environment: Mapping[str, str]) -> tuple[str, int] | None:
    host = environment.get("SMTP_HOST")
    return (host, int(environment.get("SMTP_PORT") or 25)) if host else None
