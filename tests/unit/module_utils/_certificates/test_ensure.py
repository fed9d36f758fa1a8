# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on a host, with a stand-in for certbot that writes what certbot would."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._certificates.certbot import Account
from ansible_collections.keelson.ops.plugins.module_utils._certificates.ensure import Certificates, Request
from ansible_collections.keelson.ops.plugins.module_utils._certificates.plan import Layout, Wanted
from ansible_collections.keelson.ops.plugins.module_utils._certificates.store import CertificateStore
from ansible_collections.keelson.ops.plugins.module_utils._certificates.x509 import describe, new_certificate
from ansible_collections.keelson.ops.plugins.module_utils._core.command import Command, CommandFailed, CommandResult
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError
from cryptography import x509

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
SHOP = Wanted("shop.test", ("shop.test", "www.shop.test"), "acme")
BLOG = Wanted("blog.test", ("blog.test",), "acme")
INNER = Wanted("grafana.internal", ("grafana.internal",), "internal")


class StoppedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, asked for {seconds}")


class Host:
    """A directory as a host; ``refused`` names get no certificate."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(*(PurePosixPath(root / part) for part in ("served", "letsencrypt/live", "own")))
        self.refused: set[str] = set()
        self.calls: list[str] = []

    def run(self, command: Command, *, timeout: float | None = None, check: bool = True) -> CommandResult:
        del timeout, check
        self.calls.append(command.argv[0])
        if command.argv[0] == "certbot":
            name = command.argv[command.argv.index("--cert-name") + 1]
            if name in self.refused:
                raise CommandFailed(command, "exit code 1", 1, "no such host")
            names = [
                value for option, value in zip(command.argv, command.argv[1:], strict=False) if option == "--domain"
            ]
            CertificateStore(self.layout).save("acme", name, new_certificate(names, 90, NOW))
        return CommandResult(command, 0, "", "", 0.0)

    def ensure(self, *sites: Wanted, final: bool = True) -> dict[str, object]:
        request = Request(sites, self.layout, Account(), "/srv/acme", final, "nginx.service")
        engine = Certificates(request, CertificateStore(self.layout), self, StoppedClock())
        plans = engine.plan()
        engine.apply(plans)
        return engine.result(plans)

    def shown(self, name: str) -> tuple[frozenset[str], datetime]:
        return describe((Path(self.layout.served) / name / "fullchain.pem").read_bytes())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_from_a_bare_host_to_certificates_and_no_further(host: Host) -> None:
    assert host.ensure(SHOP, INNER, final=False)["changed"]
    assert host.shown("shop.test") == (frozenset(SHOP.names), NOW + timedelta(days=30))
    assert "certbot" not in host.calls
    assert host.ensure(SHOP, INNER)["changed"]
    assert host.shown("shop.test") == (frozenset(SHOP.names), NOW + timedelta(days=90))
    host.calls.clear()
    assert not host.ensure(SHOP, INNER, final=False)["changed"]
    assert not host.ensure(SHOP, INNER)["changed"]
    assert host.calls == []


def test_keys_are_private(host: Host) -> None:
    host.ensure(SHOP, INNER, final=False)
    keys = list(Path(host.layout.own).rglob("privkey.pem"))
    assert len(keys) == 3
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_an_internal_certificate_is_signed_by_the_hosts_authority(host: Host) -> None:
    host.ensure(INNER, Wanted("other.internal", ("other.internal",), "internal"))
    authority = Path(host.layout.own) / "internal" / ".authority" / "fullchain.pem"
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    for name in ("grafana.internal", "other.internal"):
        chain = (Path(host.layout.served) / name / "fullchain.pem").read_bytes()
        leaf, then = x509.load_pem_x509_certificates(chain)
        leaf.verify_directly_issued_by(issuer)
        assert then == issuer


def test_one_refusal_keeps_no_other_site_from_its_certificate(host: Host) -> None:
    host.refused = {"blog.test"}
    host.ensure(BLOG, SHOP, final=False)
    with pytest.raises(OpsError, match=r"blog\.test: the ACME server issued no certificate") as caught:
        host.ensure(BLOG, SHOP)
    assert caught.value.facts == {"failed_sites": ["blog.test"]}
    assert host.shown("shop.test")[1] == NOW + timedelta(days=90)
    assert host.shown("blog.test")[1] == NOW + timedelta(days=30)
    assert host.calls[-1] == "systemctl"


def test_a_site_whose_directory_is_in_the_way_keeps_no_other_from_its_certificate(host: Host) -> None:
    (Path(host.layout.served) / "blog.test").mkdir(parents=True)
    with pytest.raises(OpsError, match=r"blog\.test is not a link") as caught:
        host.ensure(BLOG, SHOP)
    assert caught.value.facts == {"failed_sites": ["blog.test"]}
    assert host.shown("shop.test")[1] == NOW + timedelta(days=90)
    assert host.calls[-1] == "systemctl"


def test_a_run_that_was_killed_before_the_reload_is_made_good_by_the_next(host: Host) -> None:
    host.ensure(SHOP)
    CertificateStore(host.layout).note_unseen()
    host.calls.clear()
    assert not host.ensure(SHOP)["changed"]
    assert host.calls == ["systemctl"]


def test_a_damaged_certificate_counts_as_none(host: Host) -> None:
    host.ensure(SHOP)
    (Path(host.layout.live) / "shop.test" / "fullchain.pem").write_text("-----BEGIN CERTIFICATE-----\nxx\n")
    assert host.ensure(SHOP)["changed"]
    assert host.shown("shop.test")[1] == NOW + timedelta(days=90)


def test_a_directory_that_somebody_else_made_is_not_replaced(host: Host) -> None:
    (Path(host.layout.served) / "shop.test").mkdir(parents=True)
    with pytest.raises(OpsError, match="is not a link"):
        host.ensure(SHOP, final=False)
