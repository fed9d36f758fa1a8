# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Assertions on JSON answers, with the health documents of real applications."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._health.json_assertion import parse_assertion

HEALTH = {
    "status": "healthy",
    "uptime": 12.5,
    "ready": True,
    "version": None,
    "services": {"database": "healthy", "redis": "degraded"},
    "info": {"database": {"status": "up"}, "storage": {"status": "up"}},
    "nodes": [{"name": "a", "lag": 0}, {"name": "b", "lag": 7}],
    "empty": {},
    "db.main": "ok",
}


def failure(text: str) -> str | None:
    return parse_assertion(text, "json[0]").failure(HEALTH)


@pytest.mark.parametrize(
    "text",
    [
        "status == healthy",
        "status==healthy",
        'status == "healthy"',
        "status != down",
        "status in ok,healthy",
        "status in ok, healthy",
        "status not in down,starting",
        "status =~ ^heal",
        "services.database == healthy",
        "info.*.status == up",
        "uptime > 10",
        "uptime <= 12.5",
        "ready == true",
        "version == null",
        "nodes.1.name == b",
        "nodes.*.lag < 8",
        "nodes exists",
        '"db.main" == ok',
    ],
)
def test_what_holds(text: str) -> None:
    assert failure(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services.* == healthy", 'services.redis is "degraded", expected == healthy'),
        ("status in ok,up", 'status is "healthy", expected in ok,up'),
        ("status not in healthy", 'status is "healthy", expected not in healthy'),
        ("uptime > 60", "uptime is 12.5, expected > 60"),
        ("status > 1", 'status is "healthy", expected > 1'),
        ("ready >= 1", "ready is true, expected >= 1"),
        ("nodes.*.lag <= 5", "nodes.1.lag is 7, expected <= 5"),
        ("services.queue == healthy", "services.queue is missing in the JSON answer"),
        ("empty.* == healthy", "empty.* is missing in the JSON answer"),
        ("status.deeper exists", "status.deeper is missing in the JSON answer"),
        ("services == healthy", 'services is {"database": "healthy", "redis": "degraded"}, expected == healthy'),
    ],
)
def test_what_does_not_hold_is_said_with_the_member_concerned(text: str, words: str) -> None:
    assert failure(text) == words


@pytest.mark.parametrize("text", ["", "status", "status ==", "== healthy", "a..b == 1", "nodes exists 3", "a = b"])
def test_what_is_no_assertion_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(OpsError, match=r"json\[0\]: not an assertion: .* write PATH OPERATOR VALUE"):
        parse_assertion(text, "json[0]")


def test_a_bad_regular_expression_is_refused() -> None:
    with pytest.raises(OpsError, match=r"json\[0\]: not a regular expression"):
        parse_assertion("status =~ [", "json[0]")


@pytest.mark.parametrize("document", [None, [], 3, "healthy"])
def test_a_document_of_another_form_lacks_the_path(document: object) -> None:
    assert parse_assertion("status == healthy", "x").failure(document) == "status is missing in the JSON answer"
