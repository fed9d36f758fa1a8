# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds make of what they are told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._health.http_exchange import Answer
from ansible_collections.keelson.ops.plugins.module_utils._health.json_assertion import parse_assertion
from ansible_collections.keelson.ops.plugins.module_utils._health.kinds import docker, http, postgres, systemd
from ansible_collections.keelson.ops.plugins.module_utils._health.outcome import Outcome, UnhealthyError
from ansible_collections.keelson.ops.plugins.module_utils._health.restarts import Restarts

URL = "http://127.0.0.1/"


def outcome(judge: Any, *given: Any) -> Outcome:
    try:
        return Outcome(True, judge(*given))
    except UnhealthyError as error:
        return error.outcome


class TestHttp:
    ANSWER = Answer(200, {"content-type": "application/json", "etag": '"v2"'}, b'{"status": "healthy"}')

    def test_status_headers_body_and_json_must_all_be_right(self) -> None:
        target = http.HttpTarget(
            URL,
            response_headers={"ETag": re.compile("v2")},
            body_regex=re.compile("healthy"),
            json=(parse_assertion("status == healthy", ""),),
        )
        assert outcome(http.judge, self.ANSWER, target) == Outcome(True, "HTTP 200")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"status": (204, 404)}, 'HTTP 200, expected 204 or 404: {"status": "healthy"}'),
            ({"response_headers": {"X-Id": re.compile(".")}}, "header X-Id is missing, which does not match ."),
            ({"response_headers": {"ETag": re.compile("v3")}}, "header ETag is '\"v2\"', which does not match v3"),
            ({"body_regex": re.compile("gone")}, "the body (21 bytes) does not match gone"),
            (
                {"json": (parse_assertion("status == up", ""), parse_assertion("n exists", ""))},
                'status is "healthy", expected == up; n is missing in the JSON answer',
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, options: dict[str, Any], words: str) -> None:
        assert outcome(http.judge, self.ANSWER, http.HttpTarget(URL, **options)) == Outcome(False, words)

    def test_a_secret_that_lies_across_the_cut_is_not_shown_in_part(self) -> None:
        target = http.HttpTarget(
            URL, headers={"X-Token": "CANARY-of-the-token"}, json=(parse_assertion("said == nothing", ""),)
        )
        for before in (60, 70, 80, 145, 150, 155):
            text = "x" * before + "CANARY-of-the-token"
            refused = outcome(http.judge, Answer(403, {}, text.encode()), target)
            wrong = outcome(http.judge, Answer(200, {}, json.dumps({"said": text}).encode()), target)
            assert "CANARY" not in refused.words + wrong.words

    def test_a_redirect_says_where_to(self) -> None:
        found = outcome(http.judge, Answer(301, {"location": "https://x/"}, b""), http.HttpTarget(URL))
        assert found.words == "HTTP 301 to https://x/, expected 200"

    def test_pages_for_people_are_not_repeated(self) -> None:
        found = outcome(http.judge, Answer(502, {"content-type": "text/html"}, b"<html>"), http.HttpTarget(URL))
        assert found.words == "HTTP 502, expected 200"

    @pytest.mark.parametrize("body", [b"", b"ok", b"[" * 100_000])
    def test_what_is_no_json_is_said(self, body: bytes) -> None:
        target = http.HttpTarget(URL, json=(parse_assertion("status == up", ""),))
        assert "is not JSON" in outcome(http.judge, Answer(200, {}, body), target).words


def container(**changes: Any) -> docker.Container:
    values = {"name": "shop-backend-1", "status": "running", "exit_code": 0, "oom_killed": False, "restarts": 0}
    return docker.Container(**{**values, "health": "", "health_output": "", **changes})


class TestDocker:
    TARGET = docker.DockerTarget(project="shop", service="backend")

    @pytest.mark.parametrize(
        ("changes", "healthy", "fatal", "words"),
        [
            ({}, True, False, "shop-backend-1 is running"),
            ({"health": "healthy"}, True, False, "is running and healthy"),
            ({"health": "starting", "health_output": "refused"}, False, False, "shop-backend-1 is starting: refused"),
            ({"health": "unhealthy"}, False, True, "shop-backend-1 is unhealthy"),
            ({"status": "created"}, False, False, "is created"),
            ({"status": "restarting", "exit_code": 1}, False, False, "is restarting (exit code 1)"),
            ({"status": "exited", "exit_code": 3}, False, True, "is exited (exit code 3)"),
            ({"status": "exited", "exit_code": 137, "oom_killed": True}, False, True, "killed: out of memory"),
            ({"oom_killed": True}, True, False, "is running"),  # a child of it was, some time ago
        ],
    )
    def test_states(self, changes: dict[str, Any], healthy: bool, fatal: bool, words: str) -> None:
        found = outcome(docker.judge, [container(**changes)], self.TARGET, {})
        assert (found.healthy, found.fatal) == (healthy, fatal)
        assert words in found.words

    @pytest.mark.parametrize("condition", ["exited", "oom_killed", "unhealthy"])
    def test_what_is_not_listed_is_waited_out(self, condition: str) -> None:
        patient = docker.DockerTarget(container="x", fail_fast=())
        for changes in ({"status": "exited"}, {"status": "exited", "oom_killed": True}, {"health": "unhealthy"}):
            found = outcome(docker.judge, [container(**changes)], patient, {})
            assert (found.healthy, found.fatal) == (False, False)

    def test_a_restart_makes_a_running_container_unhealthy_and_three_are_a_loop(self) -> None:
        seen: dict[str, Restarts] = {}
        found = [outcome(docker.judge, [container(restarts=n)], self.TARGET, seen) for n in (7, 8, 8, 9, 10)]
        assert [(o.healthy, o.fatal) for o in found] == [
            (True, False),
            (False, False),
            (True, False),
            (False, False),
            (False, True),
        ]
        assert found[-1].words == ("shop-backend-1: restart loop: restarted 3 times while waiting (last exit code 0)")

    def test_restarts_of_long_ago_count_only_against_max_restarts(self) -> None:
        strict = docker.DockerTarget(container="x", max_restarts=2)
        assert outcome(docker.judge, [container(restarts=9)], self.TARGET, {}).healthy
        assert outcome(docker.judge, [container(restarts=2)], strict, {}).healthy
        assert outcome(docker.judge, [container(restarts=3)], strict, {}).words == (
            "shop-backend-1 has restarted 3 times, at most 2 allowed"
        )

    def test_health_can_be_required_or_ignored(self) -> None:
        required = docker.DockerTarget(container="x", health="required")
        ignored = docker.DockerTarget(container="x", health="ignored")
        assert outcome(docker.judge, [container()], required, {}).words == "shop-backend-1 has no health check"
        assert outcome(docker.judge, [container(health="starting")], ignored, {}).healthy

    def test_every_replica_counts_and_a_fatal_one_is_named_first(self) -> None:
        both = docker.DockerTarget(project="shop", service="backend", replicas=2)
        one, two = container(name="one"), container(name="two", health="starting")
        dead = container(name="dead", status="exited", exit_code=1)
        assert outcome(docker.judge, [], both, {}) == Outcome(False, "no such container", answered=False)
        assert outcome(docker.judge, [one], both, {}).words == "1 of 2 replicas exist"
        assert outcome(docker.judge, [one, two], both, {}).words == "two is starting"
        assert outcome(docker.judge, [two, dead], both, {}).words == "dead is exited (exit code 1)"

    def test_an_inspect_answer_is_read(self) -> None:
        answer = {
            "Name": "/web",
            "RestartCount": 1,
            "State": {
                "Status": "running",
                "ExitCode": 0,
                "OOMKilled": False,
                "Health": {"Status": "unhealthy", "Log": [{"Output": "old"}, {"Output": "curl: (7)\n refused "}]},
            },
        }
        assert docker.Container.from_inspect(answer) == container(
            name="web", restarts=1, health="unhealthy", health_output="curl: (7) refused"
        )
        del answer["State"]["Health"]  # type: ignore[attr-defined]
        assert docker.Container.from_inspect(answer).health == ""


class TestSystemd:
    TARGET = systemd.SystemdTarget("caddy.service")

    @staticmethod
    def properties(active: str, sub: str, *, load: str = "loaded", restarts: int = 0) -> str:
        return (
            f"LoadState={load}\nActiveState={active}\nSubState={sub}\nResult=exit-code\n"
            f"NRestarts={restarts}\nExecMainStatus=3\n"
        )

    @pytest.mark.parametrize(
        ("output", "expected"),
        [
            (properties("active", "running"), Outcome(True, "active (running)")),
            (properties("active", "exited"), Outcome(True, "active (exited)")),
            (properties("reloading", "reload"), Outcome(True, "reloading (reload)")),
            (properties("activating", "start"), Outcome(False, "is activating (start)")),
            (properties("inactive", "dead"), Outcome(False, "is inactive (dead)", answered=False)),
            (properties("failed", "failed"), Outcome(False, "failed: exit-code, exit status 3", fatal=True)),
            (
                properties("inactive", "dead", load="not-found"),
                Outcome(False, "unit caddy.service is not found", answered=False, fatal=True),
            ),
            ("", Outcome(False, "unit caddy.service is unknown", answered=False, fatal=True)),
        ],
    )
    def test_states(self, output: str, expected: Outcome) -> None:
        assert outcome(systemd.judge, output, self.TARGET, Restarts()) == expected

    def test_what_is_not_listed_is_waited_out(self) -> None:
        patient = systemd.SystemdTarget("caddy.service", fail_fast=())
        for output in (self.properties("failed", "failed"), self.properties("inactive", "dead", load="not-found")):
            assert not outcome(systemd.judge, output, patient, Restarts()).fatal

    def test_a_restart_loop_is_seen_while_the_unit_says_active(self) -> None:
        restarts = Restarts()
        found = [
            outcome(systemd.judge, self.properties("active", "running", restarts=n), self.TARGET, restarts)
            for n in (4, 5, 6, 7)
        ]
        assert [o.healthy for o in found] == [True, False, False, False]
        assert found[-1] == Outcome(False, "restart loop: restarted 3 times while waiting", fatal=True)

    def test_a_count_that_was_reset_starts_over(self) -> None:
        restarts = Restarts()
        counts = (50, 0, 1)
        found = [
            outcome(systemd.judge, self.properties("active", "running", restarts=n), self.TARGET, restarts)
            for n in counts
        ]
        assert [o.healthy for o in found] == [True, True, False]


class TestPostgres:
    @pytest.mark.parametrize(
        ("row", "in_recovery", "options", "words"),
        [
            ((1,), False, {}, "query answered by a primary"),
            (None, True, {"role": "standby"}, "query answered by a standby"),
            ((True,), False, {"value": "true"}, "query answered by a primary"),
            ((42,), False, {"value": "42"}, "query answered by a primary"),
            ((None,), False, {"value": "null"}, "query answered by a primary"),
            ((1,), True, {"role": "primary"}, "is a standby, expected a primary"),
            ((1,), False, {"role": "standby"}, "is a primary, expected a standby"),
            (("5",), False, {"value": "42"}, "the query gives '5', expected '42'"),
            (None, False, {"value": "42"}, "the query gives 'no row', expected '42'"),
        ],
    )
    def test_answers(self, row: tuple[Any, ...] | None, in_recovery: bool, options: dict[str, str], words: str) -> None:
        found = outcome(postgres.judge, row, in_recovery, postgres.PostgresTarget("db1", **options))
        assert found.words == words
        assert found.healthy == words.startswith("query answered")
