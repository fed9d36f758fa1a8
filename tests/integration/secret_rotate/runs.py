# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's work in a process of its own, which can be killed right after any of its writes."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import botocore.session
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from ansible_collections.keelson.ops.plugins.module_utils._secrets import file_store, visible_files
from ansible_collections.keelson.ops.plugins.module_utils._secrets.rotate import run_rotation
from ansible_collections.keelson.ops.plugins.module_utils._secrets.targets import command, jwt, postgres, redis
from ansible_collections.keelson.ops.plugins.module_utils._secrets.vault_client import VaultClient

from tests.integration.secret_rotate.aws_shim import WRITES

ROOT = Path(__file__).resolve().parents[3]
TARGETS = (postgres.PostgresLogin, redis.RedisUser, jwt.KeyPair, command.CommandTarget)
SECONDS = 120.0
# What a client is made from is read once, for all processes that are forked off.
WARM = botocore.session.get_session()
WARM.create_client("secretsmanager", "eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")


class Mortal:
    """Ends this process by SIGKILL after write number ``die_at``."""

    def __init__(self, die_at: int) -> None:
        self._die_at = die_at
        self._writes = 0

    def after(self, call: Callable[..., Any], writes: Callable[..., bool] = lambda *_a: True) -> Callable[..., Any]:
        def mortal(*arguments: Any, **options: Any) -> Any:
            done = call(*arguments, **options)
            if writes(*arguments):
                self._writes += 1
                if self._writes == self._die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return done

        return mortal


def _work(params: dict[str, Any], result: str, die_at: int | None) -> None:
    boto3.session.Session = functools.partial(boto3.session.Session, botocore_session=WARM)  # type: ignore
    if die_at:
        mortal = Mortal(die_at)
        api: Any = botocore.client.BaseClient
        api._make_api_call = mortal.after(api._make_api_call, lambda _self, name, *_a: name in WRITES)
        VaultClient.request = mortal.after(VaultClient.request, lambda _self, method, *_a: method != "GET")  # type: ignore
        for module in (file_store, visible_files):
            module.write_file = mortal.after(module.write_file)  # type: ignore
        for target in TARGETS:
            target.set = mortal.after(target.set)  # type: ignore
            target.revoke = mortal.after(target.revoke)  # type: ignore
    try:
        outcome = run_rotation(params, check=False, tell=lambda _text: None)
    except OpsError as error:
        outcome = {"failed": True, "msg": error.message, **error.facts}
    Path(result).write_text(json.dumps(outcome), encoding="utf-8")


class Run:
    """One run of the module; ``finish`` waits for its end."""

    def __init__(self, params: dict[str, Any], die_at: int | None = None) -> None:
        self._result = Path(params["state_directory"]).parent / f"result-{os.urandom(6).hex()}.json"
        self._process = _context().Process(target=_work, args=(params, str(self._result), die_at))
        self._process.start()

    def finish(self) -> dict[str, Any] | None:
        """The module's result; None when it was killed."""
        self._process.join(SECONDS)
        assert self._process.exitcode in (0, -signal.SIGKILL), self._process.exitcode
        if self._process.exitcode:
            return None
        found: dict[str, Any] = json.loads(self._result.read_text(encoding="utf-8"))
        return found


def _context() -> Any:
    os.environ["PYTHONPATH"] = f"{ROOT / 'collections'}:{ROOT}"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def rotate(params: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A run that has to succeed."""
    done = Run({**params, **changes}).finish()
    assert done is not None
    assert not done.get("failed"), done
    return done
