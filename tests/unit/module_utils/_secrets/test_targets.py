# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of targets: what belongs to which type, what is missing, and what is decided before any connection."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.ports import Target
from ansible_collections.keelson.ops.plugins.module_utils._secrets.targets import open_target


def opened(policy: dict[str, Any] | None = None, **options: Any) -> Target:
    return open_target(options, policy, "secrets[0]", SystemClock(), SubprocessRunner())


POSTGRES = {"type": "postgres", "username": "shop", "login_user": "postgres"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "postgres"}, "secrets[0].target.username: is required"),
        ({"type": "postgres", "username": "shop"}, "secrets[0].target.login_user: is required"),
        ({**POSTGRES, "usernames": ["shop", "shop_2"]}, "neither of them shop"),
        ({**POSTGRES, "usernames": ["a", "a"]}, "two different roles"),
        ({**POSTGRES, "login_user": "shop_1"}, "must not be one of the roles"),
        ({**POSTGRES, "rules": ["+@all"]}, "target.rules: does not belong to type postgres"),
        ({"type": "redis"}, "target.username: is required"),
        ({"type": "redis", "username": "shop", "login_user": "operator"}, "target.login_password: is required"),
        ({"type": "redis", "username": "shop", "strategy": "single"}, "target.strategy: does not belong"),
        ({"type": "jwt", "algorithm": "RS256"}, "target.jwks_file: is required"),
        ({"type": "jwt", "jwks_file": "/srv/jwks.json"}, "HS256 has no public key"),
        ({"type": "command", "set": ["true"]}, "target.test: is required"),
        ({"type": "command", "set": ["a"], "test": ["b"], "revoke": ["c"]}, "unless overlaps is true"),
        ({"type": "oracle"}, "must be one of postgres, redis, jwt, command, none"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OpsError, match=re.escape(words)):
        opened(**options)


def test_the_policy_is_that_of_the_type() -> None:
    with pytest.raises(OpsError, match=re.escape("secrets[0].policy.length: 40, allowed for jwt")):
        opened({"length": 40}, type="jwt")
    assert len(opened({"length": 50}, **POSTGRES).propose(None).value) == 50


def test_alternating_logins_take_turns() -> None:
    target = opened(**POSTGRES)
    assert target.overlaps
    names = [
        target.propose(current).attributes["username"]
        for current in (
            None,
            Credential("x", {"username": "shop_1"}),
            Credential("x", {"username": "shop_2"}),
            Credential("x", {"username": "shop"}),
        )
    ]
    assert names == ["shop_1", "shop_2", "shop_1", "shop_1"]


def test_single_keeps_the_name_and_does_not_overlap() -> None:
    target = opened(**POSTGRES, strategy="single")
    assert not target.overlaps
    assert target.propose(None).attributes == {"username": "shop"}


def test_shared_jwt_secrets_are_announced_before_they_sign() -> None:
    assert opened(type="jwt").announce_seconds == 0
    assert opened(type="jwt", cache_seconds=30).announce_seconds == 30
    assert opened(type="jwt", algorithm="EdDSA", jwks_file="/srv/jwks.json").announce_seconds == 300
    assert opened(type="none").announce_seconds is None
