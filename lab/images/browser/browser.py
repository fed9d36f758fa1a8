# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Chromium as a service: opens a page and tells what a person, and the developer tools, would have seen.

POST /visit with ``{"url": ..., "until": ..., "roots": ...}``: ``until`` is an expression that becomes true when the
page has done its work, ``roots`` the PEM certificate of the authority to trust. The answer holds the page's title, text
and path, whether ``until`` came true, the protocols of the connection, and the errors and warnings of the console.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import IO, Any

CHROMIUM = "/usr/bin/chromium-headless-shell"
PATIENCE_SECONDS = 60.0
ARRIVED = "location.href !== 'about:blank' && document.readyState === 'complete'"
SEEN = "({title: document.title, text: document.body.innerText, path: location.pathname})"
TOLD = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


class Page:
    """A page of Chromium, driven by the DevTools protocol over a pair of pipes: JSON, each message ended by a NUL."""

    def __init__(self, to_browser: IO[bytes], from_browser: IO[bytes]) -> None:
        self._to, self._from = to_browser, from_browser
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; events that come meanwhile are kept. Raises ValueError when it is refused."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise ValueError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.events.append(answer)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, None when it throws."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def parameters(self, *methods: str) -> Iterator[dict[str, Any]]:
        """What the events of these kinds carry, oldest first."""
        return (event["params"] for event in self.events if event["method"] in methods)

    def _read(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            if not byte:
                raise ConnectionError("Chromium ended")
            text += byte
        return dict(json.loads(text))


def visit(wanted: dict[str, str]) -> dict[str, Any]:
    """Open a page in a browser of its own."""
    # The browser's processes may write for a moment after they were killed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        if "roots" in wanted:
            trust(Path(home), wanted["roots"])
        with chromium(home) as page:
            refused = page.call("Page.navigate", url=wanted["url"]).get("errorText", "")
            done = not refused and wait(page, wanted.get("until", "true"))
            return {
                **page.evaluate(SEEN),
                "done": done,
                "refused": refused,
                "connection": connection(page),
                "console": list(filter(None, map(complaint, page.parameters(*TOLD)))),
            }


def trust(home: Path, root: str) -> None:
    """Make an authority one that this browser trusts."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    (home / "root.pem").write_text(root, encoding="utf-8")
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "root", "-t", "C,,", "-i", str(home / "root.pem")], check=True)


@contextmanager
def chromium(home: str) -> Iterator[Page]:
    """A browser with nothing remembered. The container is its sandbox."""
    read_here, write_there = os.pipe()
    read_there, write_here = os.pipe()
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={home}/profile"]
    browser = subprocess.Popen(
        ["sh", "-c", f'exec "$0" "$@" 3<&{read_there} 4>&{write_there}', CHROMIUM, *flags],
        pass_fds=(read_there, write_there),
        env={**os.environ, "HOME": home},
        start_new_session=True,
    )
    os.close(read_there)
    os.close(write_there)
    try:
        with os.fdopen(write_here, "wb") as to_browser, os.fdopen(read_here, "rb") as from_browser:
            yield Page(to_browser, from_browser)
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


def wait(page: Page, expression: str) -> bool:
    """Whether the page is there, complete, and the expression becomes true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(ValueError):  # the blank page from before is just being left
            if page.evaluate(f"{ARRIVED} && Boolean({expression})"):
                return True
        time.sleep(0.1)
    return False


def connection(page: Page) -> dict[str, str]:
    """The protocols by which the page itself came."""
    for found in page.parameters("Network.responseReceived"):
        if found["type"] == "Document":
            response = found["response"]
            tls = response.get("securityDetails", {}).get("protocol", "")
            return {"http": response.get("protocol", ""), "tls": tls}
    return {}


def complaint(told: dict[str, Any]) -> str:
    """An error or a warning that the developer tools would show; empty for anything else."""
    if "exceptionDetails" in told:
        details = told["exceptionDetails"]
        return str(details.get("exception", {}).get("description", details["text"]))
    if "entry" in told:
        return str(told["entry"]["text"]) if told["entry"]["level"] in ("error", "warning") else ""
    if told["type"] in ("error", "warning", "assert"):
        return " ".join(str(argument.get("value", argument.get("description"))) for argument in told["args"])
    return ""


class Service(BaseHTTPRequestHandler):
    """One visit at a time."""

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, answer = 200, visit(wanted)
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            status, answer = 500, {"error": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    HTTPServer(("", 8000), Service).serve_forever()
