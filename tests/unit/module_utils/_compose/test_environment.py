# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables are checked by rules, and what is refused is named without its value."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.environment import (
    Rule,
    Variable,
    is_secret,
    parse_rules,
    problems,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

RULES = (Rule("*JWT_SECRET*", min_length=32), Rule("*PASSWORD*", min_length=16), Rule("*_URL", url=True))


def found(name: str, value: str, *rules: Rule) -> list[str]:
    return problems([Variable(name, value, ".env")], rules or RULES)


@pytest.mark.parametrize(
    "value",
    [
        "SENHA_FORTE_AQUI",
        "your-super-secret-key-change-me",
        "STRING_MUITO_LONGO_E_ALEATORIO_MINIMO_64_CHARS",
        "change-me",
        "CHANGEME",
        "change_me_now",
        "your_api_key",
        "https://api.seudominio.com",
        "https://seu-dominio.com",
        "sua-organizacao",
        "postgresql://user:password@host:5432/dbname",
        "https://xxx@sentry.io/xxx",
        "<generate: openssl rand -base64 32>",
        "senha_super_segura",
        "email-password",
        "replace_me",
        "xxx",
        "TODO",
    ],
)
def test_the_placeholders_of_the_guides_are_refused_in_any_variable(value: str) -> None:
    assert found("ANYTHING", value) == ["ANYTHING (.env) still holds a placeholder; set a real value"]


@pytest.mark.parametrize(
    "value",
    ["VDX <noreply@vdx.com>", "info", "neuryour-thing", "production", "https://example.com/a", "o3Zk-your", "xxxl", ""],
)
def test_real_values_are_no_placeholders(value: str) -> None:
    assert found("ANYTHING", value) == []


def test_a_placeholder_can_be_allowed() -> None:
    assert found("STORE_URL", "https://your-store.example", Rule("STORE_URL", url=True, allow_placeholder=True)) == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("JWT_SECRET", "k" * 31, "is shorter than 32 characters"),
        ("JWT_SECRET_PREVIOUS", "k" * 31, "is shorter than 32 characters"),
        ("postgres_password", "p" * 15, "is shorter than 16 characters"),
        ("DATABASE_URL", "db.internal/shop", "is not a URL (scheme://host...)"),
        ("DATABASE_URL", "postgresql:///shop", "is not a URL (scheme://host...)"),
        ("DATABASE_URL", "postgresql://shop@db:port/shop", "is not a URL (scheme://host...)"),
        ("DATABASE_URL", "postgresql://shop @db/shop", "is not a URL (scheme://host...)"),
        ("DATABASE_URL", "postgresql://shop:@db/shop", "is a URL with an empty password"),
        ("REDIS_URL", "redis://:@redis:6379/0", "is a URL with an empty password"),
    ],
)
def test_rules_tell_what_is_wrong_and_never_the_value(name: str, value: str, problem: str) -> None:
    assert found(name, value) == [f"{name} (.env) {problem}"]
    assert value not in "".join(found(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "k" * 32),
        ("POSTGRES_PASSWORD", "p" * 16),
        ("POSTGRES_PASSWORD_FILE", "/run/x"),
        ("DATABASE_URL", "postgresql://shop:s3cret-word@10.0.0.5:5432/shop?sslmode=require"),
        ("REDIS_URL", "redis://shop@redis:6379/0"),
    ],
)
def test_good_values_pass(name: str, value: str) -> None:
    assert found(name, value) == []


def test_the_first_rule_that_matches_counts() -> None:
    assert found("JWT_SECRET", "k" * 40, Rule("JWT_SECRET", min_length=64), *RULES)
    assert not found("PASSWORD_HINT", "short", Rule("PASSWORD_HINT"), *RULES)


def test_only_the_named_schemes_are_accepted() -> None:
    https = Rule("APP_URL", url=True, schemes=("https",))
    assert found("APP_URL", "http://shop.example", https) == ["APP_URL (.env) is not a URL of scheme https"]
    assert found("APP_URL", "https://shop.example", https) == []


@pytest.mark.parametrize("variables", [[], [Variable("JWT_SECRET", "", ".env")]])
def test_a_required_variable_must_be_there_and_not_empty(variables: list[Variable]) -> None:
    expected = ["JWT_SECRET is required and not set in env_files or secret_files"]
    assert problems(variables, [Rule("JWT_SECRET", required=True)]) == expected


def test_a_secret_file_satisfies_a_required_name_in_any_case() -> None:
    given = [Variable("jwt_secret", "k" * 64, "secret_files")]
    assert problems(given, [Rule("JWT_SECRET", required=True, min_length=64)]) == []


def test_a_pattern_cannot_be_required() -> None:
    with pytest.raises(OpsError, match=r"rules: \*_URL is a pattern"):
        parse_rules([{"name": "*_URL", "required": True}], "rules")


def test_rules_from_options() -> None:
    assert parse_rules([{"name": "API_URL", "schemes": ["https"], "min_length": None}], "rules") == (
        Rule("API_URL", url=True, schemes=("https",)),
    )


def test_what_has_a_least_length_is_a_secret() -> None:
    assert is_secret("SMTP_PASSWORD", RULES)
    assert not is_secret("SMTP_PASSWORD_FILE", RULES)
    assert not is_secret("LOG_LEVEL", RULES)
