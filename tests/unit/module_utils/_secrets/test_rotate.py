# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's options to its result: fifty secrets in one call, metrics, and options that make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets.inventory import tell
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotate import run_rotation


def secret(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    options = ("store", "target", "policy", "initial", "initial_attributes", "max_age", "overlap")
    return {
        **dict.fromkeys(options),
        "name": name,
        "store": {"type": "file", "path": str(folder / name)},
        "target": {"type": "none"},
        **changes,
    }


def params(folder: Path, *secrets: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "state": "rotated",
        "secrets": list(secrets),
        "store": None,
        "max_age": "90d",
        "overlap": "1h",
        "force": False,
        "apply": None,
        "test_timeout": 5,
        "rejections": 5,
        "lock_timeout": 5,
        "state_directory": str(folder / "state"),
        "audit_log": str(folder / "audit.jsonl"),
        "metrics_directory": str(folder / "metrics"),
        **changes,
    }


def run(given: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    return dict(run_rotation(given, check=check, tell=lambda _text: None))


def test_fifty_secrets_in_one_call_then_nothing_to_do(tmp_path: Path) -> None:
    given = params(tmp_path, *(secret(tmp_path, f"s{number}") for number in range(50)))
    assert run(given, check=True)["diff"]["prepared"].count("create") == 50
    assert list(tmp_path.iterdir()) == []
    done = run(given)
    assert [one["action"] for one in done["secrets"]] == ["create"] * 50
    assert len({(tmp_path / f"s{number}").read_text(encoding="utf-8") for number in range(50)}) == 50
    again = run(given)
    assert (again["changed"], again["diff"]["prepared"]) == (False, "")


def test_metrics_and_audit_tell_of_it(tmp_path: Path) -> None:
    given = params(tmp_path, secret(tmp_path, "token", max_age="30d"))
    run(given)
    text = (tmp_path / "metrics" / "keelson_secret_token.prom").read_text(encoding="utf-8")
    assert 'keelson_secret_max_age_seconds{secret="token"} 2592000' in text
    assert 'keelson_secret_last_attempt_status{secret="token"} 1' in text
    assert 'keelson_secret_phase{phase="revoked",secret="token"} 1' in text
    assert "keelson_secret_rotated_timestamp_seconds" in text
    (line,) = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["action"] == "create"
    run(given)
    assert len((tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_one_that_fails_is_told_beside_those_that_went_well(tmp_path: Path) -> None:
    broken = secret(tmp_path, "broken", target={"type": "command", "set": ["/bin/false"], "test": ["/bin/false"]})
    with pytest.raises(OpsError, match=r"^broken: ") as failure:
        run(params(tmp_path, secret(tmp_path, "good"), broken))
    told: Any = failure.value.facts["secrets"]
    assert [one["error"] is None for one in told] == [True, False]
    assert (tmp_path / "good").exists()


def test_info_tells_ages_and_labels_only(tmp_path: Path) -> None:
    given = params(tmp_path, secret(tmp_path, "token"), overlap="1h")
    run(given)
    run({**given, "force": True})
    value = (tmp_path / "token").read_text(encoding="utf-8")
    found = tell({**given, "max_age": "1d"})
    (one,) = found["secrets"]  # type: ignore[misc]
    assert (one["exists"], one["overdue"], one["pending"]) == (True, False, None)
    assert one["previous"] is not None
    assert value not in repr(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secrets": []}, ""),
        ({"overlap": "90d"}, r"secrets\[0\].overlap: must be shorter than max_age"),
        ({"max_age": "soon"}, "max_age: 'soon' is not a duration"),
        (
            {"apply": {"checks": [{"redis": {"host": "h", "password": "CANARY"}}]}},
            r"apply.checks\[0\].redis.password: checks with credentials",
        ),
        ({"apply": {"checks": [{"tcp": {"prot": 1}}]}}, r"apply.checks\[0\].tcp"),
    ],
)
def test_options_at_fault_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    given = params(tmp_path, secret(tmp_path, "token"), **changes)
    if not message:
        assert run(given)["changed"] is False
        return
    with pytest.raises(OpsError, match=message) as failure:
        run(given)
    assert "CANARY" not in failure.value.message
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("names", [("a/b",), ("same", "same")])
def test_names_are_those_of_files_and_unique(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(OpsError, match=r"secrets\[\d\].name"):
        run(params(tmp_path, *(secret(tmp_path, name) for name in names)))
