# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate a site shows, in each state a host can be in."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._certificates.certbot import (
    Account,
    issue_command,
    issuing_server,
)
from ansible_collections.keelson.ops.plugins.module_utils._certificates.plan import (
    Certificate,
    Layout,
    Observed,
    Wanted,
    check,
    issued,
    servable,
)
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
LAYOUT = Layout(PurePosixPath("/etc/nginx/tls"), PurePosixPath("/etc/letsencrypt/live"), PurePosixPath("/var/tls"))
SHOP = Wanted("shop.example.org", ("shop.example.org", "www.example.org"), "acme")
LIVE = "/etc/letsencrypt/live/shop.example.org"
SERVER = "https://acme.example.org/dir"


def certificate(days: float = 60, names: tuple[str, ...] = SHOP.names, server: str | None = SERVER) -> Certificate:
    return Certificate(frozenset(names), NOW + timedelta(days=days), server)


def test_a_bare_host_shows_a_placeholder_first() -> None:
    plan = servable(SHOP, Observed(), LAYOUT, NOW)
    assert (plan.make, plan.target, plan.relink) == ("placeholder", "/var/tls/placeholder/shop.example.org", True)


def test_then_the_certificate_is_issued_and_linked() -> None:
    observed = Observed(link="/var/tls/placeholder/shop.example.org", placeholder=certificate())
    plan = issued(SHOP, observed, LAYOUT, NOW, SERVER)
    assert (plan.make, plan.target, plan.relink, plan.reissue) == ("acme", LIVE, True, False)


def test_what_was_issued_is_shown_and_left_alone() -> None:
    observed = Observed(link=LIVE, acme=certificate())
    assert not servable(SHOP, observed, LAYOUT, NOW).changed
    assert not issued(SHOP, observed, LAYOUT, NOW, SERVER).changed
    assert not issued(SHOP, observed, LAYOUT, NOW, None).changed


@pytest.mark.parametrize(
    ("held", "reissue", "reason"),
    [
        (certificate(names=("shop.example.org",)), False, "without www.example.org"),
        (certificate(days=-1), False, "expired"),
        (certificate(server="https://staging.example.org/dir"), True, "issued by https://staging.example.org/dir"),
    ],
)
def test_a_new_one_is_asked_for_while_the_old_one_is_shown(held: Certificate, reissue: bool, reason: str) -> None:
    observed = Observed(link=LIVE, acme=held)
    assert not servable(SHOP, observed, LAYOUT, NOW).changed
    plan = issued(SHOP, observed, LAYOUT, NOW, SERVER)
    assert (plan.make, plan.reissue, plan.reason, plan.relink) == ("acme", reissue, reason, False)


def test_an_internal_certificate_is_renewed_before_its_last_third() -> None:
    site = Wanted("grafana.internal", ("grafana.internal",), "internal")
    target = "/var/tls/internal/grafana.internal"
    fresh = Observed(link=target, internal=certificate(276, site.names, None))
    old = Observed(link=target, internal=certificate(274, site.names, None))
    assert not issued(site, fresh, LAYOUT, NOW, SERVER).changed
    assert issued(site, old, LAYOUT, NOW, SERVER).make == "internal"
    assert servable(site, Observed(), LAYOUT, NOW).make == "internal"


def test_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(OpsError, match="is not a site's name"):
        check([Wanted("../x", ("../x",), "acme")])
    with pytest.raises(OpsError, match="is not a site's name"):
        check([Wanted("", (), "acme")])
    with pytest.raises(OpsError, match="listed twice"):
        check([SHOP, SHOP])


def test_the_call_of_certbot() -> None:
    account = Account(SERVER, "ops@example.org", "/etc/nginx/acme-ca.pem")
    command = issue_command(SHOP, account, "/srv/acme", "systemctl reload nginx", reissue=True)
    text = " ".join(command.argv)
    assert "--domain shop.example.org --domain www.example.org" in text
    assert f"--server {SERVER} --email ops@example.org" in text
    assert "--force-renewal" in text
    assert command.argv[command.argv.index("--deploy-hook") + 1] == "systemctl reload nginx"
    assert command.env == {"REQUESTS_CA_BUNDLE": "/etc/nginx/acme-ca.pem"}
    plain = issue_command(SHOP, Account(), "/srv/acme", None, reissue=False)
    assert "--register-unsafely-without-email" in plain.argv
    assert not {"--server", "--force-renewal", "--deploy-hook"} & set(plain.argv)
    assert plain.env == {}


def test_the_server_of_a_certificate_is_read_from_certbots_file() -> None:
    text = f"version = 4.0.0\ncert = {LIVE}/cert.pem\n\n[renewalparams]\nserver = {SERVER}\nkey_type = ecdsa\n"
    assert issuing_server(text) == SERVER
    assert issuing_server("version = 4.0.0\n") is None
    assert issuing_server("[renewalparams\n%%%") is None
