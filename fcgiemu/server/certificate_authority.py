"""An authority for this machine, and the one certificate that it signs.

Whoever trusts the authority should risk nothing: it may sign for local names only, which clients
check (RFC 5280, 4.2.1.10), nothing may follow on it but certificates of servers, and its key exists
in memory until the certificate is signed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: What the authority may sign for. A DNS name covers those below it.
LOCAL_NAMES = ("localhost",)
LOCAL_NETWORKS = ("127.0.0.0/8", "::1/128")
#: The longest that Apple's clients take a server's certificate for.
_DAYS = 825
#: The limits in RFC 5280's table of key usages, all off.
_NO_USAGE = dict.fromkeys(
    (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ),
    False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """The authority's certificate, the server's with its chain, and the server's key, as PEM."""

    authority: bytes
    chain: bytes
    key: bytes


def make(names: Sequence[str], now: datetime | None = None) -> Made:
    """A new authority and a certificate for names and addresses of this machine."""
    begin = (now or datetime.now(UTC)) - timedelta(days=1)  # clocks differ
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _root(root_key, begin)
    issued = _server(names, key, root, root_key, begin)
    pem = serialization.Encoding.PEM
    return Made(
        root.public_bytes(pem),
        issued.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def is_current(certificate: bytes, now: datetime | None = None) -> bool:
    """Whether a certificate has not run out yet; False for what is none."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return False
    return (now or datetime.now(UTC)) < found.not_valid_after_utc


def _root(key: ec.EllipticCurvePrivateKey, begin: datetime) -> x509.Certificate:
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in LOCAL_NAMES]
    permitted += [x509.IPAddress(ipaddress.ip_network(text)) for text in LOCAL_NETWORKS]
    name = _name("fcgiemu, this machine only")
    return (
        _builder(name, name, key, begin)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.KeyUsage(**{**_NO_USAGE, "key_cert_sign": True}), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    begin: datetime,
) -> x509.Certificate:
    usage = x509.KeyUsage(**{**_NO_USAGE, "digital_signature": True})
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    return (
        _builder(_name("localhost"), root.subject, key, begin)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fcgiemu"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
