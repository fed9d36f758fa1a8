# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs by level."""

from __future__ import annotations

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.loglines import level_of, select
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

LINES = [
    'backend-1  | 2026-11-22T08:00:00.1Z {"level": "info", "message": "no error here"}',
    'backend-2  | 2026-11-22T08:00:00.2Z {"level": 50, "msg": "pino"}',
    "backend-1  | 2026-11-22T08:00:01.0Z ERROR: cannot reach the database",
    "backend-1  | 2026-11-22T08:00:01.1Z   at line 3 of the trace",
    'backend-2  | 2026-11-22T08:00:01.2Z {"severity": "WARNING"}',
    "web-1  | 2026-11-22T08:00:02.0Z GET /health 200",
]


def test_errors_bring_their_stack_traces_and_name_their_host() -> None:
    assert select("app1", LINES, "error") == [
        'app1 backend-2 | 2026-11-22T08:00:00.2Z {"level": 50, "msg": "pino"}',
        "app1 backend-1 | 2026-11-22T08:00:01.0Z ERROR: cannot reach the database",
        "app1 backend-1 | 2026-11-22T08:00:01.1Z   at line 3 of the trace",
    ]


def test_a_level_takes_those_above_it_and_none_takes_all() -> None:
    assert len(select("app1", LINES, "warning")) == 4
    assert len(select("app1", LINES, "WARN")) == 4
    assert len(select("app1", LINES, "")) == len(LINES)


def test_what_says_no_level_counts_as_info() -> None:
    assert any("GET /health" in line for line in select("app1", LINES, "info"))


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ('{"level":"fatal"}', 4),
        ('{"levelname": "DEBUG"}', 0),
        ('{"level": 10}', 0),
        ('{"message": "error"}', None),
        ("{not json, error", 3),
        ("all is well", None),
        ("[WARN] slow", 2),
    ],
)
def test_levels(text: str, rank: int | None) -> None:
    assert level_of(text) == rank


def test_an_unknown_level_is_refused_by_the_name_of_its_option() -> None:
    with pytest.raises(OpsError, match="-e level=loud: one of debug, info"):
        select("app1", LINES, "loud")


def test_what_is_meant_for_a_terminal_is_left_out() -> None:
    line = "\x1b[2Kbackend-1  | 2026-11-22T08:00:00Z \x1b[31mERROR\x1b[0m lost"
    assert select("app1", [line], "error") == ["app1 backend-1 | 2026-11-22T08:00:00Z ERROR lost"]
