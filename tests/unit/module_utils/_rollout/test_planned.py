# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not written yet, seen by check mode alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._rollout.planned import decode, preview_planned


class RecordedMounts:
    """Mounts that are only written down; ``refused`` is what the kernel answers."""

    def __init__(self, refused: OSError | None = None) -> None:
        self.calls: list[str] = []
        self._refused = refused

    def separate(self) -> None:
        if self._refused:
            raise self._refused
        self.calls.append("separate")

    def memory(self, target: Path) -> None:
        self.calls.append("memory")

    def overlay(self, lower: Path, upper: Path, work: Path) -> None:
        self.calls.append(f"overlay {lower}")
        upper.rmdir()
        work.rmdir()

    def detach(self, target: Path) -> None:
        self.calls.append("detach")


def encoded(files: dict[str, str]) -> str:
    return base64.b64encode(json.dumps(files).encode()).decode()


def test_the_preview_reads_the_files_at_their_place_after_leaving_the_mounts_of_the_host(tmp_path: Path) -> None:
    project, mounts = tmp_path / "shop", RecordedMounts()
    file = project / "secrets" / "token"
    result = preview_planned(
        project, encoded({str(file): "text é"}), None, lambda: {"read": file.read_text(encoding="utf-8")}, mounts
    )
    assert result == {"read": "text é"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert mounts.calls == ["separate", "memory", f"overlay {tmp_path}", "detach"]


def test_without_mounts_of_its_own_nothing_is_written_and_no_plan_is_made(tmp_path: Path) -> None:
    mounts = RecordedMounts(PermissionError(1, "Operation not permitted"))
    result = preview_planned(tmp_path / "shop", encoded({str(tmp_path / "shop/x"): "y"}), None, dict, mounts)
    assert (result["changed"], result["plan"]) == (True, [])
    assert "Operation not permitted" in str(result["msg"])
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_docker_has_no_plan_yet(tmp_path: Path) -> None:
    mounts = RecordedMounts()
    result = preview_planned(tmp_path, encoded({}), "no Docker yet", dict, mounts)
    assert (result["changed"], mounts.calls) == (True, [])
    assert "no Docker yet" in str(result["msg"])


@pytest.mark.parametrize("text", ["%", "eyI=", encoded({"relative": "secret-x"}), encoded({"/opt/../etc": "secret-x"})])
def test_what_is_no_such_option_is_refused_without_its_content(text: str) -> None:
    with pytest.raises(OpsError, match="planned_files") as caught:
        decode(text)
    assert "secret-x" not in str(caught.value)
