"""The issuer's PDF signature: RSA key and self-signed certificate, apart from the token key.

RSA because every PDF reader verifies it and because it leaves the file at PDF 1.7, which an
elliptic curve (ISO 32002) does not. A certificate of a public CA can stand in its place: what
counts here is that it is listed in ``certificates.json``.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from service.verification.issuers import Issuer, KeyStatus

PDF_KEY_BITS = 3_072
"""Made at about 0.2 s, signs in under 1 ms; 2,048 bits are not accepted beyond 2030 (NIST SP 800-57)."""

CERTIFICATE_DAYS = 30 * 365
"""Long, since without time stamps a reader judges by today's date; our own status decides earlier."""

_COMMON_NAME_CHARACTERS = 64  # RFC 5280 appendix A, ub-common-name


@dataclass(frozen=True, slots=True)
class PdfCertificate:
    """A certificate whose PDF signatures are believed, whatever became of it.

    Attributes:
        issuer: Whose certificate it is.
        status: See `KeyStatus`.
        der: X.509.
    """

    issuer: Issuer
    status: KeyStatus
    der: bytes

    @property
    def sha256(self) -> str:
        """Fingerprint, 64 hex digits."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def certificate_id(self) -> str:
        """First 16 hex digits of the fingerprint: its name in files and commands."""
        return self.sha256[:16]

    def period(self) -> tuple[date, date]:
        """Return the first and the last day of validity (UTC)."""
        loaded = x509.load_der_x509_certificate(self.der)
        return loaded.not_valid_before_utc.date(), loaded.not_valid_after_utc.date()

    def lasts(self, day: date) -> bool:
        """Return whether the certificate is valid on that day (noon, UTC)."""
        moment = datetime.combine(day, time(12), UTC)
        loaded = x509.load_der_x509_certificate(self.der)
        return loaded.not_valid_before_utc <= moment <= loaded.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class PdfKey:
    """A key that signs PDFs; the parsed key is kept, since parsing costs more than signing.

    Attributes:
        certificate: Its certificate.
        private_key: RSA.
    """

    certificate: PdfCertificate
    private_key: rsa.RSAPrivateKey

    def sign(self, data: bytes) -> bytes:
        """Return RSASSA-PKCS1-v1_5 with SHA-256 over ``data`` (RFC 8017 §8.2)."""
        return self.private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def new_pdf_key(issuer: Issuer, today: date) -> tuple[rsa.RSAPrivateKey, bytes]:
    """Make a key and a certificate that it signs itself.

    Args:
        issuer: Its name stands in the certificate.
        today: First day of validity.

    Returns:
        The key, and the certificate as DER.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=PDF_KEY_BITS)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer.name[:_COMMON_NAME_CHARACTERS]),
            x509.NameAttribute(NameOID.COMMON_NAME, issuer.name[:_COMMON_NAME_CHARACTERS]),
        ]
    )
    # A day of grace: the reader's clock may be behind, and Beijing is ahead of UTC.
    start = datetime.combine(today, time(), UTC) - timedelta(days=1)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.DER)


def read_certificate(text: object) -> bytes:
    """Check a certificate as ``certificates.json`` holds it.

    Args:
        text: Base64 of DER, as in the ``x5c`` of RFC 7517 §4.7.

    Returns:
        The DER.

    Raises:
        ValueError: Not a certificate with an RSA key of at least 2,048 bits.
    """
    if not isinstance(text, str):
        raise ValueError("certificate 应为证书的 Base64")
    der = base64.b64decode(text, validate=True)
    _require_rsa(x509.load_der_x509_certificate(der))
    return der


def read_pkcs12(data: bytes, password: bytes | None) -> tuple[rsa.RSAPrivateKey, bytes]:
    """Read the key and certificate that a certification authority handed out (RFC 7292).

    Args:
        data: A PKCS#12 file.
        password: Its password, if it has one.

    Returns:
        The key, and its certificate as DER; certificates of authorities are left out.

    Raises:
        ValueError: The password is wrong, the key or certificate missing, or no RSA key of at least
            2,048 bits.
    """
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(data, password)
    except Exception as error:  # the loader also raises errors of its backend
        raise ValueError("不是 PKCS#12 文件，或密码不对") from error
    if key is None or certificate is None:
        raise ValueError("文件中应有一把私钥和它的证书")
    _require_rsa(certificate)
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("私钥与证书不匹配")
    return key, certificate.public_bytes(serialization.Encoding.DER)


def _require_rsa(certificate: x509.Certificate) -> None:
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey) or public_key.key_size < 2_048:
        raise ValueError("PDF 签名证书应为 2048 位以上的 RSA 证书")


def read_pdf_key(pem: bytes, der: bytes) -> rsa.RSAPrivateKey:
    """Read the private half of a certificate.

    Args:
        pem: Unencrypted PKCS#8.
        der: The certificate.

    Returns:
        The parsed key.

    Raises:
        ValueError: Not an RSA key, or another certificate's.
    """
    key = serialization.load_pem_private_key(pem, password=None)
    public_key = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != public_key:
        raise ValueError("与 certificates.json 中的证书不匹配")
    return key
