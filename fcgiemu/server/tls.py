"""A certificate for HTTPS on this machine: made on first use, kept until it runs out, and signed by
an authority of its own: see certificate_authority.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import SiteError

#: Names that the certificate is good for, beside what --host says.
NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of PEM: the certificate with its chain, its key, and the authority to trust ("" for
    one's own).
    """

    certificate: Path
    key: Path
    authority: Path | None = None

    def described(self) -> str:
        """What ARR tells other servers of a connection over TLS (X-ARR-SSL): bits of the key, of
        the cipher, issuer and subject (measured form; the cipher's are those of AES-256).
        """
        from cryptography import x509

        try:
            found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError):
            return ""
        bits = getattr(found.public_key(), "key_size", 2048)
        names = found.issuer.rfc4514_string(), found.subject.rfc4514_string()
        return "|".join((str(bits), "256", *names))


def own(certificate: Path, key: Path | None) -> Certificate:
    """The user's own files; ``key`` may stand in the certificate's. Raises SiteError."""
    for path in (certificate, key or certificate):
        if not path.is_file():
            raise SiteError(f"There is no file {path}.", "Give PEM files with --cert and --key.")
    return Certificate(certificate, key or certificate)


def local(folder: Path) -> Certificate:
    """The certificate kept in ``folder``, made there if there is none that is current. Raises
    SiteError where it cannot be written.
    """
    from . import certificate_authority

    kept = Certificate(folder / "localhost.pem", folder / "localhost.key", folder / "authority.pem")
    assert kept.authority is not None
    try:
        if kept.key.is_file() and kept.authority.is_file() and kept.certificate.is_file():
            if certificate_authority.is_current(kept.certificate.read_bytes()):
                return kept
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = certificate_authority.make(NAMES)
        with open(os.open(kept.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(made.key)
        kept.certificate.write_bytes(made.chain)
        kept.authority.write_bytes(made.authority)
    except OSError as error:
        hint = "Give your own with --cert and --key."
        raise SiteError(
            f"The certificate cannot be kept in {folder}: {error.strerror}.", hint
        ) from error
    return kept
