# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to HashiCorp Vault by the standard library: a token, JSON both ways, retries of what passes by itself."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from .._core.clock import Clock
from .._core.errors import OpsError

TIMEOUT_SECONDS = 15.0
TRIES = 4
PASSING = frozenset((412, 429, 472, 473, 500, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Which server, and who asks. What is None comes from VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT."""

    endpoint_url: str | None = None
    namespace: str | None = None
    ca_bundle: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    role_id: str | None = field(default=None, repr=False)
    secret_id: str | None = field(default=None, repr=False)
    secret_id_file: str | None = None
    auth_mount: str = "approle"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was understood. ``data`` is empty where there was none."""

    status: int
    data: dict[str, Any] = field(repr=False)
    errors: tuple[str, ...] = ()


class VaultClient:
    """Requests of one identity; safe to use from several threads, each request has its own connection."""

    def __init__(
        self, access: VaultAccess, where: str, clock: Clock, environment: Mapping[str, str] | None = None
    ) -> None:
        self._access = access
        self._where = where
        self._clock = clock
        self._environment = os.environ if environment is None else environment
        url = access.endpoint_url or self._environment.get("VAULT_ADDR")
        if not url:
            raise OpsError(f"{where}.endpoint_url: say where Vault is, or set VAULT_ADDR")
        self._url = urlsplit(url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise OpsError(f"{where}.endpoint_url: must be http://... or https://...")
        self._token = self._find_token()

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """One request below ``/v1/``, with the token. Raises OpsError for what can't be answered or isn't allowed."""
        answer = self._send(method, path, body, {"X-Vault-Token": self._token})
        if answer.status == 403:
            raise OpsError(
                f"{self._where}: Vault does not allow {method} {path}; "
                "the policy of the token must (options token, role_id)"
            )
        return answer

    def _find_token(self) -> str:
        access = self._access
        if access.role_id:
            secret = access.secret_id or _read(access.secret_id_file, f"{self._where}.secret_id_file")
            return self._log_in({"role_id": access.role_id, **({"secret_id": secret} if secret else {})})
        token = access.token or _read(access.token_file, f"{self._where}.token_file")
        token = token or self._environment.get("VAULT_TOKEN")
        if not token:
            raise OpsError(f"{self._where}: no token; give token, token_file or role_id, or set VAULT_TOKEN")
        return token

    def _log_in(self, body: Mapping[str, str]) -> str:
        answer = self._send("POST", f"auth/{self._access.auth_mount}/login", body, {})
        token = answer.data.get("auth", {}).get("client_token") if answer.status == 200 else None
        if not isinstance(token, str):
            raise OpsError(f"{self._where}: Vault refused the AppRole (options role_id, secret_id): {answer.status}")
        return token

    def _send(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Answer:
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                self._clock.sleep(0.25 * 2**attempt)
            try:
                answer = self._once(method, path, body, headers)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = type(error).__name__ + (f" ({error.strerror})" if isinstance(error, OSError) else "")
                continue
            if answer.status not in PASSING:
                return answer
            problem = f"HTTP {answer.status}"
        raise OpsError(f"{self._where}.endpoint_url: {self._url.netloc} does not answer {method} {path}: {problem}")

    def _once(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Answer:
        namespace = self._access.namespace or self._environment.get("VAULT_NAMESPACE")
        sent = {"X-Vault-Request": "true", **headers, **({"X-Vault-Namespace": namespace} if namespace else {})}
        connection = self._connection()
        try:
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, f"{self._url.path.rstrip('/')}/v1/{quote(path, safe='/?=')}", payload, sent)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        data = json.loads(text) if text.strip() else {}
        if not isinstance(data, dict):
            raise ValueError("no object")  # noqa: TRY004
        return Answer(response.status, data, tuple(str(item) for item in data.get("errors") or ()))

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._url.port or 80, timeout=TIMEOUT_SECONDS)
        bundle = self._access.ca_bundle or self._environment.get("VAULT_CACERT")
        context = ssl.create_default_context(cafile=bundle)
        return http.client.HTTPSConnection(host, self._url.port or 443, timeout=TIMEOUT_SECONDS, context=context)


def _read(path: str | None, where: str) -> str | None:
    if not path:
        return None
    try:
        if Path(path).stat().st_mode & 0o077:
            raise OpsError(f"{where}: {path} can be read by others although it holds a credential; chmod 0600 it")
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OpsError(f"{where}: {path} cannot be read: {error.strerror}") from None
