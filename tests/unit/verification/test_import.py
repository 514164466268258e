"""A certificate of an authority, as a PKCS#12 file, in place of the issuer's own."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdf
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from service.cli import app
from service.errors import ConfigError, ExitCode, InvalidRequest
from service.pdf.sign import sign_pdf
from service.pdf.signatures import examine_signatures
from service.pdf.whole import examine_whole
from service.verification import KeyRing, KeyStatus, add_issuer, import_certificate

PASSWORD = "示例 password"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(key: Key, authority: rsa.RSAPrivateKey, last: datetime | None = None) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name("示例单位"))
        .issuer_name(name("示例证书机构"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(last or now + timedelta(days=365))
        .sign(authority, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def packed(key: Key, listed: x509.Certificate, password: str = "") -> bytes:
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"x", key, listed, None, locked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add_issuer(tmp_path / "keys", "office", "示例单位")
    return tmp_path / "keys"


def test_running_ring_signs_by_the_imported_certificate(folder: Path, authority: rsa.RSAPrivateKey) -> None:
    ring = KeyRing.load(folder)
    before = ring.pdf_key("office")
    assert before is not None
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    made = import_certificate(
        folder, "office", packed(key, certificate(key, authority), PASSWORD), PASSWORD.encode()
    )
    now = ring.pdf_key("office")
    assert now is not None
    assert now.certificate.certificate_id == made != before.certificate.certificate_id
    assert [item.status for item in ring.certificates()] == [KeyStatus.RETIRED, KeyStatus.ACTIVE]
    (private,) = (folder / "private").glob(f"pdf-{made}.pem")
    assert private.stat().st_mode & 0o777 == 0o600
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    bare = io.BytesIO()
    writer.write(bare)
    signed = sign_pdf(bare.getvalue(), now.certificate.der, now.sign)
    found = examine_whole(signed, [now.certificate.der])
    assert found is not None
    assert found.intact
    assert found == examine_signatures(signed, [now.certificate.der])


def test_what_cannot_be_used_is_refused_and_changes_nothing(
    folder: Path, authority: rsa.RSAPrivateKey
) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    curve = ec.generate_private_key(ec.SECP256R1())
    old = certificate(key, authority, datetime.now(UTC) - timedelta(days=2))
    good = packed(key, certificate(key, authority), PASSWORD)
    before = (folder / "certificates.json").read_bytes()
    for data, password, words in (
        (good, b"wrong", "密码不对"),
        (good, None, "密码不对"),
        (b"not a file", None, "PKCS#12"),
        (packed(curve, certificate(curve, authority)), None, "RSA"),
        (packed(key, old), None, "有效期"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            import_certificate(folder, "office", data, password)
    with pytest.raises(ConfigError):
        import_certificate(folder, "nobody", good, PASSWORD.encode())
    assert (folder / "certificates.json").read_bytes() == before


def test_command_takes_file_and_password_file(
    folder: Path, authority: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    (tmp_path / "a.p12").write_bytes(packed(key, certificate(key, authority), PASSWORD))
    (tmp_path / "password").write_text(PASSWORD + "\n", "utf-8")
    settings = {"WENYIN_KEYS_DIR": str(folder)}
    command = ["keys", "import", str(tmp_path / "a.p12"), "--password-file"]
    done = CliRunner().invoke(app.cli, [*command, str(tmp_path / "password")], env=settings)
    assert done.exit_code == 0, done.output
    active = [item for item in KeyRing.load(folder).certificates() if item.status is KeyStatus.ACTIVE]
    assert [item.certificate_id in done.output for item in active] == [True]
    (tmp_path / "password").write_text("wrong")
    refused = CliRunner().invoke(app.cli, [*command, str(tmp_path / "password")], env=settings)
    assert refused.exit_code == ExitCode.REQUEST
    assert "密码不对" in refused.output
