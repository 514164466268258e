"""The key folder: what its files must hold, read and checked as a whole.

::

    issuers.json        {"issuers": [{"id", "name", "uscc", "doc_types", "development"}]}
    keys.json           {"keys": [{"kid", "issuer", "alg", "status", "not_before", "not_after",
                                   "jwk", "private"}]}
    master.key          32 random bytes, mode 0600: the secret of all text MACs
    private/<name>.pem  PKCS#8, P-256 or RSA, mode 0600
    certificates.json   {"certificates": [{"issuer", "status", "certificate", "private"}]}
    revoked/<kid>.json  {"kid", "ctr", "rids": ["16 lower-case hex digits"]}

``uscc``, ``doc_types``, ``not_before``, ``not_after`` and ``private`` may be null; a key
without ``private`` only verifies. ``certificates.json`` holds the PDF signature's certificates
(Base64 of DER); a folder without it belongs to issuers whose PDFs are not signed.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import ConfigError
from service.verification.certificates import PdfCertificate, PdfKey, read_certificate, read_pdf_key
from service.verification.issuers import ALGORITHM, Issuer, KeyStatus, VerifyKey, kid_of, public_key_of

MASTER_BYTES = 32
"""Length of the MAC master secret."""

RID = re.compile(r"[0-9a-f]{16}")
"""A document id as `service.verification.token.rid` writes it."""

_Read = TypeVar("_Read")
_ISSUER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", re.A)
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}", re.A)
_PEM_NAME = re.compile(r"[A-Za-z0-9_\-]+\.pem", re.A)
_KID_NAME = re.compile(r"[0-9a-f]{8}", re.A)
_ISSUER_FIELDS = frozenset({"id", "name", "uscc", "doc_types", "development"})
_KEY_FIELDS = frozenset({"kid", "issuer", "alg", "status", "not_before", "not_after", "jwk", "private"})
_CERTIFICATE_FIELDS = frozenset({"issuer", "status", "certificate", "private"})


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """One consistent reading of the folder.

    Attributes:
        issuers: In the order of the file.
        keys: In the order of the file.
        private_keys: The private half, or ``None``, at the same index as ``keys``.
        master: MAC secret.
        revoked: Hex kid to the revocation counter and the rids.
        certificates: Certificates of PDF signatures, in the order of the file.
        pdf_keys: Those of them that sign, in the order of the file.
    """

    issuers: tuple[Issuer, ...]
    keys: tuple[VerifyKey, ...]
    private_keys: tuple[ec.EllipticCurvePrivateKey | None, ...]
    master: bytes
    revoked: Mapping[str, tuple[int, frozenset[str]]]
    certificates: tuple[PdfCertificate, ...] = ()
    pdf_keys: tuple[PdfKey, ...] = ()


def read_folder(folder: Path) -> KeyFolder:
    """Read and check every file.

    Args:
        folder: The key folder.

    Returns:
        Its content.

    Raises:
        ConfigError: Something is missing, malformed, contradictory or readable by others;
            the message names the file.
    """
    issuers = tuple(_issuers(folder / "issuers.json"))
    by_id = {issuer.issuer_id: issuer for issuer in issuers}
    keys: list[VerifyKey] = []
    private_keys: list[ec.EllipticCurvePrivateKey | None] = []
    path = folder / "keys.json"
    for record in _records(path, "keys", _KEY_FIELDS):
        key = _checked(path, partial(_verify_key, record, by_id))
        keys.append(key)
        private_keys.append(_private_half(folder, record["private"], key))
    if len({key.public_key.public_numbers() for key in keys}) != len(keys):
        raise _fault(path, "有重复的公钥")
    master = _secret_bytes(folder / "master.key")
    if len(master) != MASTER_BYTES:
        raise _fault(folder / "master.key", f"应为 {MASTER_BYTES} 个随机字节，实为 {len(master)} 个")
    certificates, pdf_keys = _certificates(folder, by_id)
    return KeyFolder(
        issuers,
        tuple(keys),
        tuple(private_keys),
        master,
        _revocations(folder / "revoked"),
        certificates,
        pdf_keys,
    )


def fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return what changes when any file of the folder does, without opening one.

    Args:
        folder: The key folder.

    Returns:
        Path, mtime in nanoseconds, size and inode of each file.
    """
    found = []
    for place in (folder, folder / "private", folder / "revoked"):
        try:
            entries = sorted(place.iterdir())
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:
                continue
            found.append((str(entry), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def _issuers(path: Path) -> list[Issuer]:
    issuers = [
        _checked(path, partial(_issuer, record)) for record in _records(path, "issuers", _ISSUER_FIELDS)
    ]
    if len({issuer.issuer_id for issuer in issuers}) != len(issuers):
        raise _fault(path, "签发者 id 重复")
    if not issuers:
        raise _fault(path, "没有签发者")
    return issuers


def _issuer(record: Mapping[str, Any]) -> Issuer:
    name, uscc, doc_types = record["name"], record["uscc"], record["doc_types"]
    _require(isinstance(record["id"], str) and _ISSUER_ID.fullmatch(record["id"]), "id 应为字母、数字或 _.-")
    _require(isinstance(name, str) and name == name.strip() and 0 < len(name) <= 100, "name 应为 1 至 100 字")
    _require(uscc is None or (isinstance(uscc, str) and _USCC.fullmatch(uscc)), "uscc 不是统一社会信用代码")
    is_list = isinstance(doc_types, list) and all(type(kind) is int for kind in doc_types)
    _require(doc_types is None or is_list, "doc_types 应为整数列表或 null")
    _require(isinstance(record["development"], bool), "development 应为 true 或 false")
    remit = None if doc_types is None else tuple(doc_types)
    return Issuer(record["id"], name, uscc, remit, record["development"])


def _verify_key(record: Mapping[str, Any], issuers: Mapping[str, Issuer]) -> VerifyKey:
    _require(record["alg"] == ALGORITHM, f"alg 应为 {ALGORITHM}")
    _require(record["issuer"] in issuers, f"issuer {record['issuer']!r} 不在 issuers.json 中")
    _require(record["status"] in set(KeyStatus), "status 应为 active、retired 或 compromised")
    _require(isinstance(record["jwk"], dict) and "d" not in record["jwk"], "jwk 应为不含私钥的公钥")
    public_key = public_key_of(record["jwk"])
    kid = kid_of(public_key)
    _require(record["kid"] == kid.hex(), f"kid 应为 {kid.hex()}")
    dates = [
        None if record[n] is None else date.fromisoformat(record[n]) for n in ("not_before", "not_after")
    ]
    return VerifyKey(
        kid, public_key, issuers[record["issuer"]], KeyStatus(record["status"]), dates[0], dates[1]
    )


def _private_half(folder: Path, name: object, key: VerifyKey) -> ec.EllipticCurvePrivateKey | None:
    if name is None:
        return None
    if not isinstance(name, str) or not _PEM_NAME.fullmatch(name):
        raise _fault(folder / "keys.json", "private 应为 private 文件夹中的 .pem 文件名")
    path = folder / "private" / name
    data = _secret_bytes(path)
    try:
        private_key = serialization.load_pem_private_key(data, password=None)
    except Exception as error:  # the loader also raises errors of its backend
        raise _fault(path, "不是未加密的 PKCS#8 PEM 私钥", repr(error)) from error
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or (
        private_key.public_key().public_numbers() != key.public_key.public_numbers()
    ):
        raise _fault(path, f"与 keys.json 中 kid {key.kid.hex()} 的公钥不匹配")
    return private_key


def _certificates(
    folder: Path, issuers: Mapping[str, Issuer]
) -> tuple[tuple[PdfCertificate, ...], tuple[PdfKey, ...]]:
    path = folder / "certificates.json"
    if not path.exists():
        return (), ()
    found: list[PdfCertificate] = []
    pdf_keys: list[PdfKey] = []
    for record in _records(path, "certificates", _CERTIFICATE_FIELDS):
        certificate = _checked(path, partial(_certificate, record, issuers))
        found.append(certificate)
        name = record["private"]
        if name is None:
            continue
        if not isinstance(name, str) or not _PEM_NAME.fullmatch(name):
            raise _fault(path, "private 应为 private 文件夹中的 .pem 文件名")
        private = folder / "private" / name
        pem = _secret_bytes(private)
        pdf_keys.append(PdfKey(certificate, _checked(private, partial(read_pdf_key, pem, certificate.der))))
    if len({certificate.der for certificate in found}) != len(found):
        raise _fault(path, "有重复的证书")
    return tuple(found), tuple(pdf_keys)


def _certificate(record: Mapping[str, Any], issuers: Mapping[str, Issuer]) -> PdfCertificate:
    _require(record["issuer"] in issuers, f"issuer {record['issuer']!r} 不在 issuers.json 中")
    _require(record["status"] in set(KeyStatus), "status 应为 active、retired 或 compromised")
    der = read_certificate(record["certificate"])
    return PdfCertificate(issuers[record["issuer"]], KeyStatus(record["status"]), der)


def _revocations(folder: Path) -> dict[str, tuple[int, frozenset[str]]]:
    if not folder.is_dir():
        return {}
    return {path.stem: _checked(path, partial(_revocation, path)) for path in sorted(folder.glob("*.json"))}


def _revocation(path: Path) -> tuple[int, frozenset[str]]:
    data = _json(path)
    _require(isinstance(data, dict) and set(data) == {"kid", "ctr", "rids"}, "应恰有 kid、ctr、rids 三项")
    _require(_KID_NAME.fullmatch(path.stem) and data["kid"] == path.stem, "文件名应为 kid，并与 kid 一项相同")
    _require(type(data["ctr"]) is int and data["ctr"] >= 0, "ctr 应为非负整数")
    rids = data["rids"]
    is_rids = isinstance(rids, list) and all(isinstance(rid, str) and RID.fullmatch(rid) for rid in rids)
    _require(is_rids, "rids 应为 16 位小写十六进制文件编号的列表")
    return data["ctr"], frozenset(rids)


def _records(path: Path, name: str, fields: frozenset[str]) -> list[dict[str, Any]]:
    data = _json(path)
    records = data.get(name) if isinstance(data, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _fault(path, f"应为 {{'{name}': [{{…}}, …]}}")
    for record in records:
        if set(record) != fields:
            raise _fault(path, "每一项应恰有：" + "、".join(sorted(fields)))
    return records


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _fault(path, "无法读取", repr(error)) from error
    except ValueError as error:
        raise _fault(path, "不是 UTF-8 编码的 JSON", repr(error)) from error


def _secret_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise _fault(path, "无法读取", repr(error)) from error
    if mode & 0o077:
        raise _fault(path, f"权限为 {mode & 0o777:04o}，其他用户可读；请执行 chmod 600")
    return data


def _checked(path: Path, read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except (ValueError, TypeError) as error:
        raise _fault(path, str(error)) from error


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _fault(path: Path, message: str, detail: str = "") -> ConfigError:
    return ConfigError(f"密钥文件 {path.name} 有误：{message}。", detail=f"{path} {detail}".strip())
