# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each sanity test counts once, and a broken-off run never counts a failure as passed."""

from __future__ import annotations

from tests.tools.sanity import outcomes, pip_settings, published

PASSING = """WARNING: Using locale "C.UTF-8" instead of "en_US.UTF-8".
Running sanity test "ansible-doc"
Installing requirements for Python 3.11 [venv]
Running sanity test "compile" on Python 3.11
Running sanity test "shellcheck"
WARNING: Required program "shellcheck" not found.
Running sanity test "symlinks"
"""


def verdicts(text: str, status: int) -> dict[str, bool]:
    """Return which tests passed."""
    return {outcome.name: outcome.problem is None for outcome in outcomes(text.splitlines(), status, 3.0)}


def test_tests_that_ran_are_counted_and_those_without_their_program_are_not() -> None:
    assert verdicts(PASSING, 0) == {"ansible-doc": True, "compile": True, "symlinks": True}


def test_a_test_with_errors_failed_and_the_summary_counts_for_nobody() -> None:
    text = PASSING.replace(
        'Running sanity test "shellcheck"\n',
        'ERROR: Found 1 compile issue(s) on python 3.11\nERROR: a.py:1:1: no\nRunning sanity test "shellcheck"\n',
    )
    text += "FATAL: The 1 sanity test(s) listed below (out of 4) failed. See error output above for details.\ncompile\n"
    assert verdicts(text, 1) == {"ansible-doc": True, "compile": False, "symlinks": True}


def test_a_run_that_broke_off_fails_the_test_that_was_running() -> None:
    assert verdicts(PASSING + "FATAL: Command returned exit status 1.\n", 1)["symlinks"] is False


def test_a_run_that_never_started_a_test_fails() -> None:
    assert verdicts("FATAL: no python\n", 1) == {"ansible-test": False}
    assert verdicts("", 3) == {"ansible-test": False}


def test_pip_keeps_the_settings_of_the_environment() -> None:
    listed = ":env:.cert='/ca.pem'\nglobal.extra-index-url='file:///a\\nfile:///b'\ninstall.user='true'\n"
    assert pip_settings(listed) == "[global]\ncert = /ca.pem\nextra-index-url = file:///a file:///b\nquiet = 2\n"


def test_what_the_artifact_leaves_out_is_not_checked() -> None:
    ignored = ["lab", "tests/tools", "*.tar.gz"]
    assert published("plugins/modules/pg_backup.py", ignored)
    assert published("tests/config.yml", ignored)
    assert not published("lab/images/web/entry.sh", ignored)
    assert not published("tests/tools/sanity.py", ignored)
    assert not published("keelson-ops-0.1.0.tar.gz", ignored)
