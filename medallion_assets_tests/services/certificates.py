"""A certificate authority of the tests, and certificates of it that are good or bad in one way."""

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]


class Authority:
    """Writes ``ca.pem`` and, for each certificate, a file with its key and chain into ``folder``."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder, self.file, self._key = folder, folder / f"{name}.pem", generate_private_key(SECP256R1())
        self._name = _named(f"The {name} of the tests")
        made = _building(self._name, self._name, self._key, (-1, 365))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._signed = made.sign(self._key, SHA256())
        self.file.write_bytes(self._signed.public_bytes(Encoding.PEM))

    def issue(self, host: str = "127.0.0.1", days: tuple[int, int] = (-1, 365)) -> Path:
        """A key (PKCS 8) and the certificate of ``host``, which holds between these days from now."""
        key = generate_private_key(SECP256R1())
        try:
            names: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            names = x509.DNSName(host)
        made = _building(_named(host), self._name, key, days)
        made = made.add_extension(x509.SubjectAlternativeName([names]), critical=False)
        file = self.folder / f"{host}{days[0]}{days[1]}-{self.file.name}"
        held = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(held + made.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        return file

    def server(self, host: str = "127.0.0.1", days: tuple[int, int] = (-1, 365)) -> ssl.SSLContext:
        """What a server of that certificate speaks with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(host, days))
        return context


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _building(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    first, last = (datetime.now(timezone.utc) + timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
