# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A log host that receives the journal of the judged host, over HTTPS.

The rules of OpenSCAP ask for one name of it and one place of each file, those that stand for a site's own.
"""

from __future__ import annotations

from lab.certificates import CA_FILE, CERTIFICATE_FILE, KEY_FILE, ensure_server_certificate
from tests.tools.bench_hosts import BenchHosts

NAME = "remotelogserver"
FOLDER = "/etc/pki/systemd"
FILES = {
    "key": (KEY_FILE, f"{FOLDER}/private/journal-upload.pem"),
    "certificate": (CERTIFICATE_FILE, f"{FOLDER}/certs/journal-upload.pem"),
    "ca": (CA_FILE, f"{FOLDER}/ca/trusted.pem"),
}
OPTIONS = {"hardening_journal_upload_url": NAME} | {
    f"hardening_journal_upload_{what}_file": path for what, (_source, path) in FILES.items()
}
RECEIVE = rf"""
systemd-run --quiet --unit=receiver --property=StateDirectory=receiver /usr/lib/systemd/systemd-journal-remote \
  --listen-https=19532 --key={FILES["key"][1]} --cert={FILES["certificate"][1]} \
  --split-mode=none --output=/var/lib/receiver/all.journal
"""


def start(hosts: BenchHosts, host: str) -> None:
    """Have a host receive journals. Raises SystemExit when it cannot."""
    ensure_server_certificate(hosts.state, [NAME])
    hosts.install(host, "systemd-journal-remote")
    hosts.need(host, give_files(hosts) + RECEIVE)


def introduce(hosts: BenchHosts, host: str) -> str:
    """The shell script with which a sender comes to know the log host and gets its files."""
    return give_files(hosts) + f"echo {hosts.address(host)} {NAME} >> /etc/hosts"


def give_files(hosts: BenchHosts) -> str:
    """The shell script that writes key, certificate and authority, all from the lab's own."""
    script = f"set -e\nmkdir -p {FOLDER}/private {FOLDER}/certs {FOLDER}/ca\nchmod 0700 {FOLDER}/private\n"
    for source, path in FILES.values():
        script += f"cat > {path} <<'END'\n{(hosts.state / source).read_text(encoding='ascii')}END\n"
    return script
