# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong without a kill: refused values, an application that is not well, a store that is not there."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .aws_shim import AwsShim
from .conftest import accepted_by_command, make_secret
from .runs import Run, rotate
from .vault_standin import ROLE, VaultStandin

Options = Callable[[str], dict[str, Any]]


def failure(params: dict[str, Any], **changes: Any) -> str:
    done = Run({**params, **changes}).finish()
    assert done is not None
    assert done["failed"], done
    return str(done["msg"])


def apply_of(**options: Any) -> dict[str, Any]:
    defaults = {"command": None, "command_timeout": 60, "compose_rollout": None, "checks": [], "timeout": 5}
    return {**defaults, **options}


@pytest.mark.parametrize("store", ["aws", "vault", "env_file", "file"])
def test_a_policy_that_refuses_leaves_the_old_one_valid(
    store: str, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    target = target_of("command")
    secret = make_secret(tmp_path, store_of(store), target)
    rotate(secret.params)
    old = secret.current()
    target["set"] = [sys.executable, "-c", "import sys; sys.exit(65)"]
    assert "refused 5 generated secrets" in failure(secret.params, force=True)
    assert secret.assert_settled().value == old.value
    assert accepted_by_command(tmp_path) == [old.value]


@pytest.mark.parametrize("target", ["alternating", "single", "redis", "command"])
@pytest.mark.parametrize("store", ["aws", "vault", "file"])
def test_an_application_that_is_not_well_gets_the_old_one_back(
    store: str, target: str, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of(target))
    rotate(secret.params)
    old = secret.current()
    # Sick the first time, well from then on.
    program = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); sick = not p.exists(); p.touch(); sys.exit(sick)"
    sick = apply_of(command=[sys.executable, "-c", program, str(tmp_path / "told")])
    said = failure(secret.params, force=True, apply=sick, overlap="1h")
    assert "apply.command" in said
    assert "it is well with the secret from before, which is current again" in said
    assert secret.assert_settled().value == old.value
    metrics = (tmp_path / "metrics" / "keelson_secret_app.prom").read_text(encoding="utf-8")
    assert 'keelson_secret_last_attempt_status{secret="app"} 0' in metrics


def test_while_the_application_is_not_well_at_all_both_secrets_work(
    store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path, store_of("vault"), target_of("command"))
    rotate(secret.params)
    old = secret.current()
    # Nothing listens there.
    sick = apply_of(checks=[{"tcp": {"host": "127.0.0.1", "port": 1}}], timeout=1)
    assert "apply.checks: 0 of 1 checks healthy" in failure(secret.params, force=True, apply=sick)
    held = secret.store().inspect()
    assert secret.current().value == old.value
    assert held.previous
    assert secret.target().works(secret.store().reveal(held.previous))
    rotate(secret.params)
    assert secret.assert_settled().value == old.value


@pytest.mark.parametrize("store", ["aws", "vault", "env_file"])
def test_rolled_back_within_the_overlap(store: str, store_of: Options, target_of: Options, tmp_path: Path) -> None:
    secret = make_secret(tmp_path, store_of(store), target_of("command"), overlap="1h")
    rotate(secret.params)
    old = secret.current()
    rotate(secret.params, force=True)
    new = secret.current()
    assert secret.target().works(old)
    rotate(secret.params, state="rolled_back")
    assert secret.assert_settled(new).value == old.value
    assert rotate(secret.params, state="rolled_back")["changed"] is False


def test_command_is_told_once_for_all_and_before_anything_is_revoked(
    store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    first = make_secret(tmp_path, store_of("vault"), target_of("none"))
    second = make_secret(tmp_path, store_of("file"), target_of("command"))
    entries = [first.entry, {**second.entry, "name": "other"}]
    rotate({**first.params, "secrets": entries})
    told = tmp_path / "told"
    note = f"open({str(told)!r}, 'a').write(open({str(tmp_path / 'door.json')!r}).read() + chr(10))"
    apply = apply_of(command=[sys.executable, "-c", note])
    rotate({**first.params, "secrets": entries, "force": True, "apply": apply})
    (line,) = told.read_text(encoding="utf-8").splitlines()
    assert len(json.loads(line)) == 2
    assert len(accepted_by_command(tmp_path)) == 1


def test_check_mode_makes_no_write_call_and_names_the_reason(
    aws: AwsShim, vault: VaultStandin, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotate import run_rotation  # noqa: PLC0415

    secrets = [make_secret(tmp_path, store_of(kind), target_of("none")) for kind in ("aws", "vault", "file")]
    entries = [{**secret.entry, "name": f"app-{index}"} for index, secret in enumerate(secrets)]
    before, made = (aws.writes, vault.writes), sorted(tmp_path.rglob("*"))
    found: Any = run_rotation({**secrets[0].params, "secrets": entries}, check=True, tell=print)
    assert (aws.writes, vault.writes) == before
    assert sorted(tmp_path.rglob("*")) == made
    assert [one["reason"] for one in found["secrets"]] == ["the store has no such secret"] * 3
    assert "app-1: create" in found["diff"]["prepared"]


def test_a_look_at_a_secret_of_aws_is_one_call(
    aws: AwsShim, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    secret = make_secret(tmp_path, store_of("aws"), target_of("none"))
    rotate(secret.params)
    aws.calls.clear()
    assert rotate(secret.params)["changed"] is False
    assert dict(aws.calls) == {"ListSecretVersionIds": 1}


def test_other_keys_of_a_secret_stay(store_of: Options, target_of: Options, tmp_path: Path) -> None:
    store = store_of("env_file")
    secret = make_secret(tmp_path, store, target_of("none"))
    rotate(secret.params)
    rotate(secret.params, force=True)
    lines = Path(store["path"]).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# of the application", "PORT=80"]
    assert [line.partition("=")[0] for line in lines[2:]] == ["DB_PASSWORD"]
    assert Path(store["path"]).stat().st_mode & 0o777 == 0o644
    state = next(tmp_path.glob(".app.env.DB_PASSWORD.keelson.json"))
    assert state.stat().st_mode & 0o777 == 0o600


def test_a_plain_read_of_vault_never_shows_what_is_pending(
    vault: VaultStandin, store_of: Options, target_of: Options, tmp_path: Path
) -> None:
    target = target_of("command")
    secret = make_secret(tmp_path, store_of("vault"), target)
    rotate(secret.params)
    old, path = secret.current(), secret.entry["store"]["secret"]
    target["set"] = [sys.executable, "-c", "import sys; sys.exit(9)"]
    failure(secret.params, force=True)
    assert secret.store().inspect().pending
    assert max(vault.paths[path].versions.values())[1]["value"] == old.value


def test_vault_by_approle(vault: VaultStandin, store_of: Options, target_of: Options, tmp_path: Path) -> None:
    store = {**store_of("vault"), "token": None, "role_id": ROLE[0]}
    file = tmp_path / "secret-id"
    file.touch(0o600)
    file.write_text(ROLE[1] + "\n", encoding="utf-8")
    secret = make_secret(tmp_path, {**store, "secret_id_file": str(file)}, target_of("none"))
    assert rotate(secret.params)["changed"]
    wrong = make_secret(tmp_path, {**store, "secret_id": "wrong"}, target_of("none"))
    assert "refused the AppRole" in failure(wrong.params)


def test_store_that_is_not_there_is_named(target_of: Options, tmp_path: Path) -> None:
    store = {"type": "vault", "secret": "a", "endpoint_url": "http://127.0.0.1:1", "token": "t"}
    began = time.monotonic()
    assert "store.endpoint_url: 127.0.0.1:1 does not answer" in failure(
        make_secret(tmp_path, store, target_of("none")).params
    )
    assert time.monotonic() - began < 60
