# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: an ACL user with two passwords for as long as both are needed. Only hashes of them are sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._core.clock import Clock
from ..._core.command import Runner
from ..._core.errors import OpsError
from ..._health.connection import Endpoint, Tls, connected
from ..._health.kinds.redis import RedisTarget, Reply, ReplyError, read_reply, request, whoami
from ..._health.outcome import UnhealthyError
from ..._health.resources import Resources
from ..credential import Credential
from ..generate import Policy, generate

SECONDS = 15.0
Call = Callable[..., Awaitable[Reply]]


def open_redis(options: Mapping[str, Any], policy: Policy, where: str, clock: Clock, runner: Runner) -> RedisUser:
    """The target of the options. Raises OpsError naming a missing one."""
    if not options["username"]:
        raise OpsError(f"{where}.username: is required for type redis (the ACL user of the application)")
    if options["login_user"] and options["login_password"] is None:
        raise OpsError(f"{where}.login_password: is required with login_user")
    host = options["login_host"] or "127.0.0.1"
    place = (
        Endpoint(path=options["login_unix_socket"])
        if options["login_unix_socket"]
        else Endpoint(host, options["login_port"] or 6379)
    )
    tls = Tls(host, options["ca_cert"]) if options["tls"] else None
    server = Server(place, tls, lambda: Resources(clock, runner))
    return RedisUser(options, policy, where, server)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is and how to connect to it."""

    place: Endpoint
    tls: Tls | None
    resources: Callable[[], Resources]


class RedisUser:
    """One ACL user of one server. Replicas and cluster nodes have ACLs of their own and are not changed with it."""

    overlaps = True
    announce_seconds: float | None = None

    def __init__(self, options: Mapping[str, Any], policy: Policy, where: str, server: Server) -> None:
        self._user: str = options["username"]
        self._login: tuple[str | None, str | None] = (options["login_user"], options["login_password"])
        self._rules: tuple[str, ...] = options["rules"]
        self._persist = options["persist"] == "auto"
        self._policy = policy
        self._where = where
        self._place = server.place
        self._server = server

    def propose(self, current: Credential | None) -> Credential:
        return Credential(generate(self._policy), {"username": self._user})

    def works(self, credential: Credential) -> bool:
        async def ask(call: Call) -> bool:
            await self._log_in(call)
            if "nopass" in (await self._described(call)).get("flags", ()):
                return False  # everybody gets in, which proves nothing of this password
            try:
                await call("AUTH", self._user, credential.value)
            except ReplyError as error:
                if str(error).startswith("WRONGPASS"):
                    return False
                raise
            return await whoami(call, RedisTarget(self._place, self._user)) == self._user

        return bool(self._converse(ask))

    def set(self, candidate: Credential, current: Credential | None) -> None:
        wanted = [_digest(credential) for credential in (current, candidate) if credential is not None]

        async def change(call: Call) -> None:
            await self._log_in(call)
            found = await self._hashes(call)
            if found is None:
                if not self._rules:
                    raise OpsError(f"{self._where}.rules: the ACL user {self._user} does not exist; give its rules")
                await call("ACL", "SETUSER", self._user, "on", *self._rules, *(f"#{one}" for one in wanted))
            else:
                await self._keep(call, found, wanted, add=True)
            await self._save(call)

        self._converse(change)

    def revoke(self, retired: Credential, keep: Credential) -> None:
        async def change(call: Call) -> None:
            await self._log_in(call)
            found = await self._hashes(call)
            if found is not None:
                await self._keep(call, found, [_digest(keep)], add=False)
                await self._save(call)

        self._converse(change)

    def close(self) -> None: ...

    async def _keep(self, call: Call, found: Sequence[str], wanted: Sequence[str], *, add: bool) -> None:
        added = [f"#{one}" for one in wanted if one not in found] if add else []
        removed = [f"!{one}" for one in found if one not in wanted]
        if added or removed:
            await call("ACL", "SETUSER", self._user, *(("on",) if add else ()), *added, *removed)

    async def _hashes(self, call: Call) -> list[str] | None:
        """The hashes of the user's passwords; None when there is no such user."""
        described = await self._described(call)
        return list(described.get("passwords", ())) if described else None

    async def _described(self, call: Call) -> dict[str, list[str]]:
        """The lists of ACL GETUSER; empty when there is no such user."""
        answer = await call("ACL", "GETUSER", self._user)
        fields = answer if isinstance(answer, list) else []
        pairs = zip(fields[::2], fields[1::2], strict=False)
        return {str(name): [str(one) for one in value] for name, value in pairs if isinstance(value, list)}

    async def _save(self, call: Call) -> None:
        if not self._persist:
            return
        settings = await call("CONFIG", "GET", "aclfile")
        aclfile = settings[1] if isinstance(settings, list) and len(settings) > 1 else ""
        try:
            await call(*(("ACL", "SAVE") if aclfile else ("CONFIG", "REWRITE")))
        except ReplyError as error:
            raise OpsError(
                f"Redis {self._place}: the change cannot be kept over a restart ({error}). Give the server an aclfile "
                f"that it can write to, or set {self._where}.persist to none"
            ) from None

    async def _log_in(self, call: Call) -> None:
        user, password = self._login
        if password is not None:
            await call(*(("AUTH", user, password) if user else ("AUTH", password)))

    def _converse(self, talk: Callable[[Call], Awaitable[Any]]) -> Any:
        async def conversation() -> Any:
            resources = self._server.resources()
            try:
                async with connected(resources, self._place, self._server.tls) as stream:

                    async def call(*words: str) -> Reply:
                        await stream.send(request(*words))
                        return await read_reply(stream)

                    return await talk(call)
            finally:
                resources.close()

        try:
            return asyncio.run(asyncio.wait_for(conversation(), SECONDS))
        except ReplyError as error:
            raise OpsError(f"Redis {self._place} answers {error} ({self._where}.login_user)") from None
        except UnhealthyError as error:
            raise OpsError(f"Redis {self._place}: {error}") from None
        except asyncio.TimeoutError:
            raise OpsError(f"Redis {self._place}: no answer within {SECONDS:g} s") from None


def _digest(credential: Credential) -> str:
    return hashlib.sha256(credential.value.encode()).hexdigest()
