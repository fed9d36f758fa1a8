#!/usr/bin/python
# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the certificates that a web server shows for its sites."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_certificates
short_description: Keep the certificates that a web server shows for its sites
version_added: 0.1.0
author:
  - keelson contributors (@keelson-ops)
description:
  - Gives each site a directory that holds C(fullchain.pem) and C(privkey.pem), as a link to where the certificate is.
    The configuration of the web server names that directory once and never changes with the certificate.
  - Certificates of an ACME server are obtained and renewed by C(certbot), through the HTTP challenge. Its timer renews
    them; this module asks for those that are missing, have expired, lack a name or were issued by another server.
  - Internal certificates are signed by an authority made on the host, and renewed by this module when a third of
    their 825 days is left.
  - A web server must run to prove a name, and must have a certificate to run. Call the module with O(state=servable)
    before it starts, so that a site without a certificate shows a self-signed placeholder, and with O(state=issued)
    after.
options:
  state:
    description:
      - V(servable) makes sure that each site has something to show.
      - V(issued) makes sure that it is the certificate that clients are to see.
    type: str
    choices: [servable, issued]
    default: issued
  sites:
    description: The sites.
    type: list
    elements: dict
    required: true
    suboptions:
      names:
        description: DNS names of the certificate. The first one is the name of the site's directory.
        type: list
        elements: str
        required: true
      source:
        description: V(acme) for an ACME server, V(internal) for the host's own authority.
        type: str
        choices: [acme, internal]
        default: acme
  directory:
    description: Where the sites' directories are.
    type: path
    required: true
  webroot:
    description: Directory that the web server serves C(/.well-known/acme-challenge/) from, on port 80 of each name.
    type: path
    default: /var/lib/keelson/acme
  acme_directory:
    description: Directory address of the ACME server. Let's Encrypt when not given.
    type: str
  acme_ca:
    description: File with the certificates by which the ACME server is trusted, for a private one.
    type: path
  email:
    description: Contact address given to the ACME server.
    type: str
  reload_unit:
    description: Unit that is reloaded, if it runs, when a site shows another certificate.
    type: str
requirements:
  - cryptography (python3-cryptography) >= 38
  - certbot, for O(sites[].source=acme)
extends_documentation_fragment:
  - keelson.ops.attributes
  - keelson.ops.attributes.actiongroup_ops
attributes:
  check_mode:
    support: full
    details: Says which certificates would be made; asks no server.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - One site's failure keeps no other from its certificate; the task fails at the end and names those that have none.
  - Certificates of sites that are no longer listed stay, and certbot goes on renewing them. C(certbot delete) removes
    one.
"""

EXAMPLES = r"""
- name: Let nginx start
  keelson.ops.site_certificates:
    state: servable
    directory: /etc/nginx/tls
    sites:
      - names: [shop.example.org, www.shop.example.org]

- name: Certificates that clients trust
  keelson.ops.site_certificates:
    directory: /etc/nginx/tls
    email: ops@example.org
    reload_unit: nginx.service
    sites:
      - names: [shop.example.org, www.shop.example.org]
      - names: [grafana.internal]
        source: internal
"""

RETURN = r"""
certificates:
  description: What each site shows.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: First name of the site.
      type: str
    names:
      description: All its names.
      type: list
      elements: str
    directory:
      description: Where its certificate and key are.
      type: str
    made:
      description: V(acme), V(internal) or V(placeholder) when one was made; in check mode, when one would be.
      type: str
    reason:
      description: Why.
      type: str
failed_sites:
  description: First names of the sites that got no certificate.
  returned: when one did not
  type: list
  elements: str
"""

from pathlib import PurePosixPath

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.keelson.ops.plugins.module_utils._certificates.certbot import Account
from ansible_collections.keelson.ops.plugins.module_utils._certificates.ensure import Certificates, Request
from ansible_collections.keelson.ops.plugins.module_utils._certificates.plan import Layout, Wanted
from ansible_collections.keelson.ops.plugins.module_utils._certificates.store import CertificateStore
from ansible_collections.keelson.ops.plugins.module_utils._certificates.x509 import HAS_CRYPTOGRAPHY
from ansible_collections.keelson.ops.plugins.module_utils._core.clock import SystemClock
from ansible_collections.keelson.ops.plugins.module_utils._core.command import SubprocessRunner
from ansible_collections.keelson.ops.plugins.module_utils._edge import run_module

LIVE = PurePosixPath("/etc/letsencrypt/live")
OWN = PurePosixPath("/var/lib/keelson/tls")
ARGUMENTS = {
    "state": {"type": "str", "choices": ["servable", "issued"], "default": "issued"},
    "sites": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "names": {"type": "list", "elements": "str", "required": True},
            "source": {"type": "str", "choices": ["acme", "internal"], "default": "acme"},
        },
    },
    "directory": {"type": "path", "required": True},
    "webroot": {"type": "path", "default": "/var/lib/keelson/acme"},
    "acme_directory": {"type": "str"},
    "acme_ca": {"type": "path"},
    "email": {"type": "str"},
    "reload_unit": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if not HAS_CRYPTOGRAPHY and not module.check_mode:
        module.fail_json(msg=missing_required_lib("cryptography", reason="(package python3-cryptography)"))

    def body() -> dict[str, object]:
        params = module.params
        request = Request(
            sites=tuple(
                Wanted(next(iter(site["names"]), ""), tuple(site["names"]), site["source"]) for site in params["sites"]
            ),
            layout=Layout(PurePosixPath(params["directory"]), LIVE, OWN),
            account=Account(params["acme_directory"], params["email"], params["acme_ca"]),
            webroot=params["webroot"],
            final=params["state"] == "issued",
            reload_unit=params["reload_unit"],
        )
        engine = Certificates(request, CertificateStore(request.layout), SubprocessRunner(), SystemClock())
        plans = engine.plan()
        if not module.check_mode:
            engine.apply(plans)
        return engine.result(plans)

    run_module(module, body)


if __name__ == "__main__":
    main()
