# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP and HTTPS: status, headers, body text and JSON of one answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import SplitResult, quote, urlsplit

from ..._core.errors import OpsError
from ..._core.masking import mask
from ..connection import Endpoint, Tls, connected
from ..http_exchange import Answer, basic_authorization, read_answer, request_bytes
from ..json_assertion import Assertion, parse_assertion
from ..options import Declarations, compile_regex
from ..outcome import UnhealthyError
from ..resources import Resources
from ..spec import Probe, Target

OPTIONS: Declarations = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "body": {"type": "str", "no_log": True},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "response_headers": {"type": "dict", "default": {}},
    "body_regex": {"type": "str"},
    "json": {"type": "list", "elements": "str", "default": []},
    "ca_file": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "address": {"type": "str"},
}
_SHOWN = 160
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
_SHORTEST_SECRET = 4
_PUBLIC_HEADERS = {"accept", "content-type", "host", "user-agent", "x-forwarded-host", "x-forwarded-proto"}


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """A URL and what its answer must be.

    ``address`` is connected to instead of the URL's host. Every header value is a secret, except those of headers that
    never hold one and those too short to be one: masking a ``1`` everywhere would leave nothing to read.
    """

    kind: ClassVar[str] = "http"

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    body: str = field(default="", repr=False)
    status: tuple[int, ...] = (200,)
    response_headers: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    body_regex: re.Pattern[str] | None = None
    json: tuple[Assertion, ...] = ()
    ca_file: str | None = None
    validate_certs: bool = True
    address: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        values = [value for name, value in self.all_headers.items() if name.lower() not in _PUBLIC_HEADERS]
        texts = (*values, *(value.rpartition(" ")[2] for value in values), self.body)
        return (*(text for text in texts if len(text) >= _SHORTEST_SECRET), self.password or "")

    @property
    def all_headers(self) -> Mapping[str, str]:
        """The headers with that of basic authentication."""
        if self.username is None:
            return self.headers
        return {**self.headers, "Authorization": basic_authorization(self.username, self.password or "")}

    def __str__(self) -> str:
        return self.url if self.address is None else f"{self.url} at {self.address}"


def parse(options: Mapping[str, Any], where: str) -> HttpTarget:
    """The target that ``options`` describe. Raises OpsError."""
    _split(options["url"], f"{where}.url")
    if not _TOKEN.fullmatch(options["method"]):
        raise OpsError(f"{where}.method: not an HTTP method: {options['method']!r}")
    for index, status in enumerate(options["status"]):
        if not 200 <= status <= 599:
            raise OpsError(f"{where}.status[{index}]: must be from 200 to 599, not {status}")
    patterns = options["response_headers"].items()
    body_regex = options["body_regex"]
    return HttpTarget(
        url=options["url"],
        method=options["method"].upper(),
        headers=_headers(options, where),
        username=options["username"],
        password=options["password"],
        body=options["body"] or "",
        status=options["status"],
        response_headers={name: compile_regex(p, f"{where}.response_headers.{name}") for name, p in patterns},
        body_regex=None if body_regex is None else compile_regex(body_regex, f"{where}.body_regex"),
        json=tuple(parse_assertion(text, f"{where}.json[{index}]") for index, text in enumerate(options["json"])),
        ca_file=options["ca_file"],
        validate_certs=options["validate_certs"],
        address=options["address"],
    )


def harmless_values(targets: Iterable[Target]) -> set[str]:
    """Header values and bodies given in options that count as secret, though they are none of ``targets``' secrets."""
    known = tuple(targets)
    given = {
        text for target in known if isinstance(target, HttpTarget) for text in (*target.headers.values(), target.body)
    }
    return given - {secret for target in known for secret in target.secrets}


def judge(answer: Answer, target: HttpTarget) -> str:
    """What the answer means, in words. Raises UnhealthyError."""
    if answer.status not in target.status:
        expected = " or ".join(map(str, target.status))
        place = f" to {answer.headers['location']}" if "location" in answer.headers else ""
        readable = "html" not in answer.headers.get("content-type", "")
        # Masked before it is cut: half a secret is found by no search.
        body = mask(answer.body.decode(errors="replace"), target.secrets) if readable else ""
        said = " ".join(body.split())[:_SHOWN]
        raise UnhealthyError(f"HTTP {answer.status}{place}, expected {expected}" + (f": {said}" if said else ""))
    for name, pattern in target.response_headers.items():
        value = answer.headers.get(name.lower())
        if value is None or not pattern.search(value):
            found = "missing" if value is None else repr(mask(value, target.secrets)[:_SHOWN])
            raise UnhealthyError(f"header {name} is {found}, which does not match {pattern.pattern}")
    if target.body_regex and not target.body_regex.search(answer.body.decode(errors="replace")):
        raise UnhealthyError(f"the body ({len(answer.body)} bytes) does not match {target.body_regex.pattern}")
    if target.json:
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise UnhealthyError(f"the body ({len(answer.body)} bytes) is not JSON") from None
        failures = [failure for assertion in target.json if (failure := assertion.failure(document, target.secrets))]
        if failures:
            raise UnhealthyError("; ".join(failures))
    return f"HTTP {answer.status}"


def make_probe(target: HttpTarget, resources: Resources) -> Probe:
    """The probe of ``target``."""
    url = _split(target.url, "url")
    host = url.hostname or ""
    endpoint = _endpoint(target.address or host, url.port or (443 if url.scheme == "https" else 80))
    tls = Tls(host, target.ca_file, target.validate_certs) if url.scheme == "https" else None
    request = _request(target, url)

    async def attempt(limit: float) -> str:
        async with connected(resources, endpoint, tls) as stream:
            await stream.send(request)
            answer = await read_answer(stream, target.method)
        return judge(answer, target)

    return attempt


def _request(target: HttpTarget, url: SplitResult) -> bytes:
    headers = {
        "host": ("Host", url.netloc),
        "user-agent": ("User-Agent", "keelson-health"),
        "accept": ("Accept", "*/*"),
    }
    headers |= {name.lower(): (name, value) for name, value in target.all_headers.items()}
    body = target.body.encode()
    if body:
        headers["content-length"] = ("Content-Length", str(len(body)))
    path = quote(url.path or "/", safe=_PATH_CHARACTERS)
    if url.query:
        path += "?" + quote(url.query, safe=_PATH_CHARACTERS + "?")
    return request_bytes(target.method, path, dict(headers.values()), body)


def _split(text: str, where: str) -> SplitResult:
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and url.hostname and url.netloc.isascii() and url.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or ord(c) < 32 for c in text):
        raise OpsError(f"{where}: must be an http:// or https:// URL")
    if url.username is not None:
        raise OpsError(f"{where}: holds a user name; use the options username and password, which are kept secret")
    return url


def _headers(options: Mapping[str, Any], where: str) -> dict[str, str]:
    headers: dict[str, str] = dict(options["headers"])
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value:
            raise OpsError(f"{where}.headers: {name!r} is not a header of one line")
    if (options["username"] is None) != (options["password"] is None):
        raise OpsError(f"{where}: username and password are only useful together")
    return headers


def _endpoint(address: str, port: int) -> Endpoint:
    """``address`` is a host, host:port, [IPv6]:port, or the path of a Unix socket."""
    if address.startswith("/"):
        return Endpoint(path=address)
    form = re.fullmatch(r"(?:\[(?P<v6>[^]]+)\]|(?P<name>[^:]+))(?::(?P<port>\d+))?", address)
    if not form:
        return Endpoint(address, port)
    return Endpoint(form["v6"] or form["name"], int(form["port"] or port))
