# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a fleet's services show to their clients, signed by a certification authority of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)
CA_FILE = "acme-server-ca.pem"
CERTIFICATE_FILE = "server.pem"
KEY_FILE = "server.key"


def ensure_server_certificate(directory: Path, names: Sequence[str]) -> None:
    """Write the authority's certificate, the servers' certificate for ``names`` and its key unless they are there."""
    if all((directory / file).exists() for file in (CA_FILE, CERTIFICATE_FILE, KEY_FILE)):
        return
    directory.mkdir(parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate(["keelson lab"], authority_key, "keelson lab", authority_key, is_authority=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(names, key, "keelson lab", authority_key, is_authority=False)
    pem = serialization.Encoding.PEM
    (directory / CERTIFICATE_FILE).write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / KEY_FILE).touch(mode=0o600)
    (directory / KEY_FILE).write_bytes(private)
    (directory / CA_FILE).write_bytes(authority.public_bytes(pem))


def _certificate(
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_authority:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
