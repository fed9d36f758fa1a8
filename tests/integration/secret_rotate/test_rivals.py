# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two rotators at once, on one host and on two: one result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .aws_shim import AwsShim
from .conftest import accepted_by_command, make_secret
from .runs import Run, rotate

Options = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize("store", ["aws", "vault", "env_file", "file"])
def test_the_second_on_a_host_waits_and_finds_it_done(
    store: str, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of("command"))
    runs = [Run(secret.params) for _unused in range(2)]
    done = [run.finish() for run in runs]
    assert sorted(str(result and result["secrets"][0]["action"]) for result in done) == ["create", "none"]
    assert accepted_by_command(tmp_path) == [secret.assert_settled().value]


@pytest.mark.parametrize("store", ["aws", "vault"])
def test_two_hosts_end_with_one_new_secret(
    store: str, store_of: Options, target_of: Options, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of("alternating"), max_age="1d")
    rotate(secret.params)
    old, held = secret.current(), secret.store().inspect()
    if store == "aws":
        shim: AwsShim = request.getfixturevalue("aws")
        assert held.current
        shim.age(held.current.id, days=2)
    else:
        standin = request.getfixturevalue("vault")
        path = standin.paths[secret.entry["store"]["secret"]]
        made, document = path.versions[1]
        path.versions[1] = (made.replace(year=made.year - 1), document)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    runs = [Run({**secret.params, "state_directory": str(tmp_path / host / "state")}) for host in ("one", "two")]
    done = [run.finish() for run in runs]
    assert all(done)
    # Who lost the race may have to be run again, but never leaves anything that the winner did not.
    rotate(secret.params)
    new = secret.assert_settled(old)
    assert new.value != old.value
    found = secret.store().inspect().current
    assert found
    if store == "vault":
        assert found.id == "v2"
