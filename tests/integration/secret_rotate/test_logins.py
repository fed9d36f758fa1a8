# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that logs in twenty times a second and takes the new secret late: no login fails."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._secrets.credential import Credential
from ansible_collections.keelson.ops.plugins.module_utils._secrets.env_text import entry

from .conftest import Secret, make_secret
from .runs import rotate

Options = Callable[[str], dict[str, Any]]
LATE = 1.0
OVERLAP = "3s"


class Application(threading.Thread):
    """Uses what it read from the store at its last look, which was up to ``LATE`` seconds ago."""

    def __init__(self, read: Callable[[], Any], use: Callable[[Any], bool]) -> None:
        super().__init__()
        self._read = read
        self._use = use
        self._over = threading.Event()
        self.tries = 0
        self.failures: list[str] = []

    def run(self) -> None:
        held, looked = self._read(), time.monotonic()
        while not self._over.is_set():
            began = time.monotonic()
            if began - looked > LATE:
                held, looked = self._read(), began
            self.tries += 1
            try:
                if not self._use(held):
                    self.failures.append("refused")
            except Exception as error:  # noqa: BLE001 whatever it is, the user noticed
                self.failures.append(repr(error))
            self._over.wait(max(0.0, began + 0.05 - time.monotonic()))

    def stop(self) -> None:
        self._over.set()
        self.join()


def rotate_under(secret: Secret, application: Application) -> None:
    """Two whole rotations, each with its late revocation, under load."""
    application.start()
    try:
        for _unused in range(2):
            rotate(secret.params, force=True)
            deadline = time.monotonic() + 60
            while secret.store().inspect().previous and time.monotonic() < deadline:
                rotate(secret.params)
    finally:
        application.stop()


@pytest.mark.parametrize("target", ["alternating", "redis"])
def test_no_login_fails(target: str, store_of: Options, target_of: Options, tmp_path: Path) -> None:
    secret = make_secret(tmp_path, store_of("file"), target_of(target), overlap=OVERLAP)
    rotate(secret.params)
    first = secret.current()
    door = secret.target()
    application = Application(secret.current, door.works)
    rotate_under(secret, application)
    assert application.failures == []
    assert application.tries > 40
    secret.assert_settled(first)


def test_no_token_is_refused_while_two_replicas_reload_at_different_times(store_of: Options, tmp_path: Path) -> None:
    store = {**store_of("env_file"), "key": "JWT_SECRET", "companion": "JWT_SECRET_PREVIOUS", "attribute_keys": {}}
    # A replica may be a second behind, so what is announced has to be known for longer before it signs.
    target = {"type": "jwt", "cache_seconds": 2 * LATE}
    secret = make_secret(tmp_path, store, target, overlap=OVERLAP)
    rotate(secret.params)

    def read() -> tuple[str, ...]:
        text = Path(store["path"]).read_text(encoding="utf-8")
        known = (entry(text, "JWT_SECRET"), entry(text, "JWT_SECRET_PREVIOUS"))
        return tuple(value for value in known if value)

    verifier: dict[str, Any] = {"keys": read(), "at": time.monotonic()}

    def signed_here_verified_there(keys: tuple[str, ...]) -> bool:
        if time.monotonic() - verifier["at"] > LATE * 0.7:
            verifier.update(keys=read(), at=time.monotonic())
        token = hmac.new(keys[0].encode(), b"subject", hashlib.sha256).digest()
        known = [hmac.new(key.encode(), b"subject", hashlib.sha256).digest() for key in verifier["keys"]]
        return token in known

    application = Application(read, signed_here_verified_there)
    rotate_under(secret, application)
    assert application.failures == []
    assert application.tries > 40
    assert read() == (secret.assert_settled(Credential("")).value,)
