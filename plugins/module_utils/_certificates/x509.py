# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading certificates, and signing those that need no public authority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._core.errors import OpsError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # the module's edge says which package is missing
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

AUTHORITY_DAYS = 3650
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (for a site with its chain) and its private key, both PEM."""

    certificate: bytes
    key: bytes


def describe(pem: bytes) -> tuple[frozenset[str], datetime]:
    """The DNS names of the first certificate in ``pem`` and the moment it ends. Raises OpsError when there is none."""
    if not HAS_CRYPTOGRAPHY:
        raise OpsError("package python3-cryptography is needed to read certificates")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise OpsError(f"not a certificate with names: {type(error).__name__}") from None
    # not_valid_after_utc came with cryptography 42; before, the time was UTC without saying so.
    ends: datetime = getattr(certificate, "not_valid_after_utc", None) or getattr(certificate, "not_valid_after")  # noqa: B009
    return frozenset(names.get_values_for_type(x509.DNSName)), ends.replace(tzinfo=timezone.utc)


def new_authority(name: str, now: datetime) -> KeyPair:
    """An authority that may sign certificates of sites and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(subject, key.public_key(), now, AUTHORITY_DAYS)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(_pem(certificate), _key_pem(key))


def new_certificate(names: Sequence[str], days: int, now: datetime, authority: KeyPair | None = None) -> KeyPair:
    """A certificate for DNS names, signed by ``authority`` or, without one, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = (
        _builder(subject, key.public_key(), now, days)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if authority is None:
        return KeyPair(_pem(builder.issuer_name(subject).sign(key, hashes.SHA256())), _key_pem(key))
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise OpsError("the internal authority's key is not an elliptic curve key; move it away to have a new one made")
    builder = builder.issuer_name(issuer.subject).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    return KeyPair(_pem(builder.sign(signer, hashes.SHA256())) + authority.certificate, _key_pem(key))


def _builder(
    subject: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
