# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: answers PING as the user it should, verified by ACL WHOAMI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from ..connection import Endpoint, Tls, connected
from ..options import Declarations, port
from ..outcome import UnhealthyError
from ..resources import Resources
from ..spec import Probe
from ..stream import Stream

OPTIONS: Declarations = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 6379},
    "path": {"type": "path"},
    "username": {"type": "str", "default": "default"},
    "password": {"type": "str", "no_log": True},
    "role": {"type": "str", "choices": ["any", "master", "replica"], "default": "any"},
    "tls": {"type": "bool", "default": False},
    "ca_file": {"type": "path"},
    "server_name": {"type": "str"},
}
_BULK_LIMIT = 64 * 1024
_ROLES = {"master": "master", "slave": "replica"}

Reply: TypeAlias = "str | int | list[Any] | None"


class ReplyError(Exception):
    """An error reply: its first word is the code."""


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """A Redis server, the ACL user to be there, and the replication role it must have."""

    kind: ClassVar[str] = "redis"

    endpoint: Endpoint
    username: str = "default"
    password: str | None = field(default=None, repr=False)
    role: str = "any"
    tls: Tls | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password or "",)

    def __str__(self) -> str:
        return f"{self.username}@{self.endpoint}"


def parse(options: Mapping[str, Any], where: str) -> RedisTarget:
    """The target that ``options`` describe. Raises OpsError."""
    path, host = options["path"], options["host"]
    place = Endpoint(host, port(options["port"], f"{where}.port")) if path is None else Endpoint(path=path)
    tls = Tls(options["server_name"] or host, options["ca_file"]) if options["tls"] else None
    return RedisTarget(place, options["username"], options["password"], options["role"], tls)


def request(*words: str) -> bytes:
    """A command as an array of bulk strings (RESP2)."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


async def read_reply(stream: Stream) -> Reply:
    """One reply. Raises UnhealthyError for what is not RESP2, and ReplyError for an error reply."""
    line = (await stream.read_line()).decode(errors="replace")
    mark, text = line[:1], line[1:]
    if mark == "+":
        return text
    if mark == "-":
        raise ReplyError(text)
    try:
        number = int(text)
    except ValueError:
        mark = ""
    if mark == ":":
        return number
    if mark == "$" and number <= _BULK_LIMIT:
        return None if number < 0 else (await stream.read_exactly(number + 2))[:-2].decode(errors="replace")
    if mark == "*" and number <= _BULK_LIMIT:
        return [await read_reply(stream) for _unused in range(number)]
    raise UnhealthyError(f"is no Redis answer: {line[:40]!r}")


def make_probe(target: RedisTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""

    async def attempt(limit: float) -> str:
        async with connected(resources, target.endpoint, target.tls) as stream:

            async def call(*words: str) -> Reply:
                await stream.send(request(*words))
                return await read_reply(stream)

            try:
                return await _converse(call, target)
            except ReplyError as error:
                raise UnhealthyError(f"answers {error}") from None

    return attempt


async def _converse(call: Any, target: RedisTarget) -> str:
    if target.username != "default":
        await call("AUTH", target.username, target.password or "")
    elif target.password is not None:
        await call("AUTH", target.password)
    if (answer := await call("PING")) != "PONG":
        raise UnhealthyError(f"answers {answer!r} to PING")
    user = await whoami(call, target)
    if user != target.username:
        raise UnhealthyError(f"the connection is user {user!r}, expected {target.username!r}")
    if target.role == "any":
        return f"PONG as {user}"
    role = _ROLES.get(str((await call("ROLE"))[0]), "sentinel")
    if role != target.role:
        raise UnhealthyError(f"is {role}, expected {target.role}")
    return f"PONG as {user}, {role}"


async def whoami(call: Any, target: RedisTarget) -> str:
    """The user of an authenticated connection. Raises ReplyError."""
    try:
        return str(await call("ACL", "WHOAMI"))
    except ReplyError as error:
        # Redis 5 has no ACL: everybody is the default user. A user without the right to ask was proved by AUTH.
        no_acl = str(error).startswith("ERR unknown command")
        proved = str(error).startswith("NOPERM") and target.username != "default"
        if proved or no_acl:
            return target.username if proved else "default"
        raise
