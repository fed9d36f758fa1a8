# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an engine raises, the module fails with a message and without secrets."""

from __future__ import annotations

import errno
import sys
import urllib.error

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module


class ExitError(Exception):
    """Stands for the end of the process."""


class RecordingModule:
    """Takes what a module would print."""

    def __init__(self) -> None:
        self.result: dict[str, object] = {}
        self.pending: object = None

    def exit_json(self, **result: object) -> None:
        self.result = result
        raise ExitError

    def fail_json(self, **result: object) -> None:
        self.result = {"failed": True, **result}
        self.pending = sys.exc_info()[1]
        raise ExitError


def run(body: object) -> RecordingModule:
    module = RecordingModule()
    with pytest.raises(ExitError):
        run_module(module, body)  # type: ignore[arg-type]
    return module


def test_a_result_goes_out() -> None:
    assert run(lambda: {"changed": True}).result == {"changed": True}


def test_an_ops_error_fails_with_its_message_and_facts() -> None:
    def body() -> dict[str, object]:
        raise OpsError("the disk is full", path="/var")

    assert run(body).result == {"failed": True, "msg": "the disk is full", "path": "/var"}


def test_any_other_error_fails_without_its_text_and_with_no_exception_pending() -> None:
    def body() -> dict[str, object]:
        raise ValueError("password hunter2 is too short")

    module = run(body)
    assert "unexpected ValueError" in str(module.result["msg"])
    assert "hunter2" not in str(module.result)
    assert module.pending is None


def test_an_error_of_the_operating_system_says_what_and_where() -> None:
    def body() -> dict[str, object]:
        raise PermissionError(errno.EACCES, "denied for hunter2", "/var/lib/keelson/state.json")

    message = str(run(body).result["msg"])
    assert message.startswith("/var/lib/keelson/state.json: Permission denied (at ")
    assert "hunter2" not in message


def test_an_error_of_a_library_that_only_looks_like_one_does_not_show_its_text() -> None:
    def body() -> dict[str, object]:
        raise urllib.error.URLError("https://user:hunter2@example.com")

    assert "hunter2" not in str(run(body).result)
