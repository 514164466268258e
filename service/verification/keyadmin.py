"""Changes to a key folder: the first issuer, a new key, a revocation.

Each file is replaced whole, by rename, so that a running `KeyRing` never reads half of one.
"""

import base64
import contextlib
import errno
import json
import secrets
import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from service.durable import locked, replace_file
from service.errors import ConfigError, InvalidRequest
from service.verification.certificates import PdfCertificate, new_pdf_key, read_pkcs12
from service.verification.issuers import ALGORITHM, Issuer, KeyStatus, jwk_of, kid_of, thumbprint
from service.verification.keyfiles import MASTER_BYTES, RID, read_folder
from service.verification.keys import china_today

DEVELOPMENT_NAME = "文印开发试用签发者（仅供试用，不具效力）"
"""Name of the issuer made on first run; it says itself that it proves nothing."""

DEVELOPMENT_ID = "dev"
"""Id of the issuer made on first run."""

_SIGNING_DAYS = 365
_NAMES = ("issuers.json", "master.key", "private", "revoked", "certificates.json", "keys.json")
_CANNOT_REPLACE = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM)


def create_development_issuer(folder: Path) -> None:
    """Make a key folder with one issuer that has no authority, unless there is one already.

    The folder appears whole, under its name, by one rename: of several processes that start
    at once, one wins and the others find its keys.

    Args:
        folder: Where; left alone when anything is in it.

    Raises:
        ConfigError: The folder cannot be written.
    """
    if folder.is_dir():
        with locked(folder):  # waits for another process that is just moving its files in
            if _holds_keys(folder):
                return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _appear(folder)
    except OSError as error:
        raise ConfigError(
            f"无法创建密钥文件夹 {folder.name}，请检查权限和磁盘空间。", detail=repr(error)
        ) from error


def add_issuer(
    folder: Path, issuer_id: str, name: str, uscc: str | None = None, doc_types: tuple[int, ...] | None = None
) -> str:
    """Add an issuer with its first key; makes the folder when there is none.

    Args:
        folder: The key folder.
        issuer_id: Short ASCII name.
        name: Full Chinese name.
        uscc: 统一社会信用代码, if any.
        doc_types: Types that it may sign; ``None`` means all.

    Returns:
        Hex kid of the key of its tokens; a certificate for its PDFs is made too.

    Raises:
        ConfigError: The id is taken, a value is malformed, or the folder is broken.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder):
        if not _holds_keys(folder):
            _write_secret(folder / "master.key", secrets.token_bytes(MASTER_BYTES))
            _write_json(folder / "keys.json", {"keys": []})
            _write_json(folder / "issuers.json", {"issuers": []})
        before = json.loads((folder / "issuers.json").read_text("utf-8"))
        kinds = None if doc_types is None else list(doc_types)
        record = {"id": issuer_id, "name": name, "uscc": uscc, "doc_types": kinds, "development": False}
        _write_json(folder / "issuers.json", {"issuers": [*before["issuers"], record]})
        try:
            read_folder(folder)
        except ConfigError:
            _write_json(folder / "issuers.json", before)
            raise
        today = china_today()
        _add_certificate(folder, issuer_id, today)
        return _add_key(folder, issuer_id, today)


def rotate_certificate(folder: Path, issuer_id: str, today: date | None = None) -> str:
    """Give an issuer a new key and certificate for PDF signatures, and retire those until now.

    Also for a folder that has none yet.

    Args:
        folder: The key folder.
        issuer_id: Whose.
        today: First day of the certificate; defaults to today in Beijing.

    Returns:
        Id of the certificate: 16 hex digits.

    Raises:
        ConfigError: No such issuer, or the folder is broken.
    """
    with locked(folder):
        _require_issuer(folder, issuer_id)
        return _add_certificate(folder, issuer_id, today or china_today())


def import_certificate(folder: Path, issuer_id: str, data: bytes, password: bytes | None = None) -> str:
    """Sign an issuer's PDFs by a key and certificate from elsewhere, and retire those until now.

    Args:
        folder: The key folder; the key is kept in it as PKCS#8, readable by its owner alone.
        issuer_id: Whose.
        data: A PKCS#12 file with an RSA key and its certificate.
        password: Its password, if it has one.

    Returns:
        Id of the certificate: 16 hex digits.

    Raises:
        InvalidRequest: The file cannot be read, or the certificate is not valid today.
        ConfigError: No such issuer, or the folder is broken.
    """
    try:
        private_key, der = read_pkcs12(data, password)
    except ValueError as error:
        raise InvalidRequest(f"证书文件无法使用：{error}。") from error
    with locked(folder):
        issuer = _require_issuer(folder, issuer_id)
        made = PdfCertificate(issuer, KeyStatus.ACTIVE, der)
        if not made.lasts(china_today()):
            first, last = made.period()
            raise InvalidRequest(f"证书今天不在有效期内（{first} 至 {last}）。")
        return _put_certificate(folder, made, private_key)


def give_development_certificate(folder: Path) -> None:
    """Add a certificate to a development issuer that has none; leave any other issuer alone.

    A folder that cannot be written stays as it is: its PDFs go without a signature.

    Args:
        folder: The key folder.

    Raises:
        ConfigError: The folder is broken.
    """
    # A folder that others only read may lie where nothing can be locked.
    if not _without_certificate(folder):
        return
    with locked(folder):
        for issuer_id in _without_certificate(folder):
            with contextlib.suppress(OSError):
                _add_certificate(folder, issuer_id, china_today())


def _without_certificate(folder: Path) -> list[str]:
    content = read_folder(folder)
    signing = {certificate.issuer.issuer_id for certificate in content.certificates}
    return [
        issuer.issuer_id
        for issuer in content.issuers
        if issuer.development and issuer.issuer_id not in signing
    ]


def rotate_key(folder: Path, issuer_id: str, today: date | None = None) -> str:
    """Give an issuer a new signing key and retire the ones it signed with until now.

    Args:
        folder: The key folder.
        issuer_id: Whose key.
        today: First day of the new key; defaults to today in Beijing.

    Returns:
        Hex kid of the new key, good for a year of signing.

    Raises:
        ConfigError: No such issuer, or the folder is broken.
    """
    with locked(folder):
        _require_issuer(folder, issuer_id)
        return _add_key(folder, issuer_id, today or china_today())


def set_key_status(folder: Path, key_id: str, status: KeyStatus) -> None:
    """Retire a key, or declare it compromised: then none of its documents is believed.

    Args:
        folder: The key folder.
        key_id: 8 hex digits of a token key, or 16 of a certificate.
        status: The new status.

    Raises:
        ConfigError: No such key, or the folder is broken.
    """
    with locked(folder):
        content = read_folder(folder)
        for name, ids in (
            ("keys", [key.kid.hex() for key in content.keys]),
            ("certificates", [certificate.certificate_id for certificate in content.certificates]),
        ):
            if key_id in ids:
                path = folder / f"{name}.json"
                data = json.loads(path.read_text("utf-8"))
                for record, found in zip(data[name], ids, strict=True):
                    if found == key_id:
                        record["status"] = status.value
                _write_json(path, data)
                return
    raise ConfigError(f"没有编号为 {key_id} 的密钥或证书，请用 wenyin keys list 查看。")


def revoke_document(folder: Path, kid_hex: str, document_id: str) -> None:
    """Withdraw one document; a running service sees it at the next question.

    Args:
        folder: The key folder.
        kid_hex: Key that signed it, 8 hex digits.
        document_id: Its rid, 16 lower-case hex digits.

    Raises:
        InvalidRequest: The document id is malformed.
        ConfigError: No such key, or the folder is broken.
    """
    if not RID.fullmatch(document_id):
        raise InvalidRequest("文件编号应为 16 位小写十六进制数。")
    with locked(folder):
        content = read_folder(folder)
        if kid_hex not in {key.kid.hex() for key in content.keys}:
            raise ConfigError(f"keys.json 中没有 kid 为 {kid_hex} 的密钥。")
        counter, rids = content.revoked.get(kid_hex, (0, frozenset()))
        (folder / "revoked").mkdir(mode=0o700, exist_ok=True)
        record = {"kid": kid_hex, "ctr": counter + 1, "rids": sorted(rids | {document_id})}
        _write_json(folder / "revoked" / f"{kid_hex}.json", record)


def _holds_keys(folder: Path) -> bool:
    return any((folder / name).exists() for name in _NAMES)


def _appear(folder: Path) -> None:
    try:
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError:
        # The folder may be a mount point below a folder that cannot be written.
        staged = Path(tempfile.mkdtemp(prefix=".new.", dir=folder))
    try:
        _fill(staged)
        if staged.parent == folder:
            _move_into(staged, folder)
            return
        try:
            staged.rename(folder)
        except OSError as error:
            if error.errno not in _CANNOT_REPLACE:
                raise
            _move_into(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _move_into(staged: Path, folder: Path) -> None:
    # A mount point, or a folder that another process filled first, cannot be renamed over; the
    # lock then does what the rename would have done.
    with locked(folder):
        if _holds_keys(folder):
            return
        folder.chmod(0o700)
        for name in _NAMES:
            if (staged / name).exists():
                shutil.move(staged / name, folder / name)


def _fill(folder: Path) -> None:
    _write_secret(folder / "master.key", secrets.token_bytes(MASTER_BYTES))
    issuer = {
        "id": DEVELOPMENT_ID,
        "name": DEVELOPMENT_NAME,
        "uscc": None,
        "doc_types": None,
        "development": True,
    }
    _write_json(folder / "issuers.json", {"issuers": [issuer]})
    _write_json(folder / "keys.json", {"keys": []})
    (folder / "revoked").mkdir(mode=0o700)
    _add_key(folder, DEVELOPMENT_ID, None)
    _add_certificate(folder, DEVELOPMENT_ID, china_today())
    read_folder(folder)


def _add_key(folder: Path, issuer_id: str, first_day: date | None) -> str:
    private_key = ec.generate_private_key(ec.SECP256R1())
    public_key = private_key.public_key()
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    name = base64.urlsafe_b64encode(thumbprint(public_key)).rstrip(b"=").decode("ascii") + ".pem"
    (folder / "private").mkdir(mode=0o700, exist_ok=True)
    _write_secret(folder / "private" / name, pem)
    data: dict[str, Any] = json.loads((folder / "keys.json").read_text("utf-8"))
    for record in data["keys"]:
        if record["issuer"] == issuer_id and record["status"] == KeyStatus.ACTIVE.value:
            record["status"] = KeyStatus.RETIRED.value
    last_day = None if first_day is None else first_day + timedelta(days=_SIGNING_DAYS)
    record = {
        "kid": kid_of(public_key).hex(),
        "issuer": issuer_id,
        "alg": ALGORITHM,
        "status": KeyStatus.ACTIVE.value,
        "not_before": first_day.isoformat() if first_day else None,
        "not_after": last_day.isoformat() if last_day else None,
        "jwk": jwk_of(public_key),
        "private": name,
    }
    _write_json(folder / "keys.json", {"keys": [*data["keys"], record]})
    return kid_of(public_key).hex()


def _add_certificate(folder: Path, issuer_id: str, first_day: date) -> str:
    issuer = _require_issuer(folder, issuer_id)
    private_key, der = new_pdf_key(issuer, first_day)
    return _put_certificate(folder, PdfCertificate(issuer, KeyStatus.ACTIVE, der), private_key)


def _put_certificate(folder: Path, made: PdfCertificate, private_key: rsa.RSAPrivateKey) -> str:
    issuer_id = made.issuer.issuer_id
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    name = f"pdf-{made.certificate_id}.pem"
    (folder / "private").mkdir(mode=0o700, exist_ok=True)
    _write_secret(folder / "private" / name, pem)
    path = folder / "certificates.json"
    before = json.loads(path.read_text("utf-8"))["certificates"] if path.exists() else []
    for record in before:
        if record["issuer"] == issuer_id and record["status"] == KeyStatus.ACTIVE.value:
            record["status"] = KeyStatus.RETIRED.value
    record = {
        "issuer": issuer_id,
        "status": KeyStatus.ACTIVE.value,
        "certificate": base64.b64encode(made.der).decode("ascii"),
        "private": name,
    }
    _write_json(path, {"certificates": [*before, record]})
    return made.certificate_id


def _require_issuer(folder: Path, issuer_id: str) -> Issuer:
    for issuer in read_folder(folder).issuers:
        if issuer.issuer_id == issuer_id:
            return issuer
    raise ConfigError(f"issuers.json 中没有签发者“{issuer_id}”。")


def _write_json(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    replace_file(path, text.encode("utf-8"), 0o644)


def _write_secret(path: Path, data: bytes) -> None:
    replace_file(path, data, 0o600)
