# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suite's total never hides a layer that failed, broke off or ran nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import suite
from tests.tools.suite import Count, Layer, verdict

JUNIT = (
    '<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"/></testsuites>'
)


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the layers write their reports into a folder of the test."""
    monkeypatch.setattr(suite, "REPORTS", tmp_path)


def pytest_layer(*, tests: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> Layer:
    """Return a layer whose report has these figures."""
    layer = Layer("unit", ["pytest"], junit=True)
    layer.report.write_text(JUNIT.format(tests=tests, failures=failures, errors=errors, skipped=skipped))
    return layer


def runner_layer(*, passed: int, failed: int) -> Layer:
    """Return a layer of the suite's own runners whose report has these figures."""
    layer = Layer("lint", ["lint"])
    layer.report.write_text(f'{{"passed": {passed}, "failed": {failed}, "failures": []}}')
    return layer


def test_counts_of_both_kinds_of_report() -> None:
    assert verdict(pytest_layer(tests=10, failures=1, errors=2, skipped=3), 1) == Count(4, 3, 3)
    assert verdict(runner_layer(passed=7, failed=2), 1) == Count(7, 2)


def test_a_layer_that_ran_nothing_failed() -> None:
    assert verdict(pytest_layer(tests=0), 5) == Count(failed=1)
    assert verdict(pytest_layer(tests=2, skipped=2), 0) == Count(0, 1, 2)
    assert verdict(runner_layer(passed=0, failed=0), 0) == Count(failed=1)


def test_a_layer_without_a_readable_report_failed() -> None:
    assert verdict(Layer("lint", ["lint"]), 0) == Count(failed=1)
    broken = Layer("unit", ["pytest"], junit=True)
    broken.report.write_text("<testsuites>")
    assert verdict(broken, 0) == Count(failed=1)


def test_a_bad_exit_status_shows_although_the_report_looks_good() -> None:
    assert verdict(pytest_layer(tests=3), 3) == Count(3, 1)
