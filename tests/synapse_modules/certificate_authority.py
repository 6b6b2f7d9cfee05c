"""Certificates for servers on loopback addresses, from an authority of the test's own."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
# Long ago: OpenSSL asks the machine's clock, not the one that ``make test-clocks`` shifts.
_VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class CertificateAuthority:
    """Issues certificates for keys; ``certificate`` is its own."""

    def __init__(self, name: str, curve: ec.EllipticCurve | None = None) -> None:
        self._key = ec.generate_private_key(curve or ec.SECP256R1())
        self._name = _name(name)
        self.certificate = self._issue(self._name, self._key.public_key(), authority=True)

    def _issue(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        authority: bool = False,
        address: str | None = None,
        until: datetime | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_VALID_FROM)
            .not_valid_after(until or now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if address is not None:
            names = [x509.IPAddress(ipaddress.ip_address(address))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(
        self, name: str, key: ec.EllipticCurvePublicKey, *, until: datetime | None = None, authority: bool = False
    ) -> x509.Certificate:
        """A certificate for somebody's key."""
        return self._issue(_name(name), key, until=until, authority=authority)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its key, for a certificate of another authority."""
        return self._key.public_key()

    @property
    def pem(self) -> str:
        """Its own certificate as text."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def write(self, folder: Path) -> Path:
        """Its own certificate as a file."""
        file = folder / "authority.pem"
        file.write_text(self.pem)
        return file

    def write_server(self, folder: Path, address: str) -> tuple[Path, Path]:
        """A key and a certificate for a server at an IP address, as files: certificate, key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, key_file = folder / "server.pem", folder / "server.key"
        certificate.write_bytes(
            self._issue(_name(address), key.public_key(), address=address).public_bytes(Encoding.PEM)
        )
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key_file
