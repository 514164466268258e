"""What verification believes: a key ring, or files that were downloaded from one.

A trust folder holds what a service publishes under ``/.well-known/wenyin/``::

    jwks.json           public keys with their status
    issuers.json        names and PDF certificates
    revoked/<kid>.json  documents withdrawn, optionally with revoked/<kid>.jws beside it

Nothing in it is secret, so the digests of texts cannot be checked with it.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import ConfigError
from service.verification import wording
from service.verification.certificates import PdfCertificate, read_certificate
from service.verification.issuers import ALGORITHM, Issuer, KeyStatus, VerifyKey, kid_of, public_key_of
from service.verification.jws import jws_is_good
from service.verification.keyfiles import RID
from service.verification.keys import CHINA_TIME

_T = TypeVar("_T")


class Trust(Protocol):
    """Keys, certificates and revocations to judge by."""

    @property
    def master(self) -> bytes | None:
        """The secret of all text MACs; ``None`` outside the service that issued them."""

    def find(self, kid: bytes) -> tuple[VerifyKey, ...]:
        """Return every key with this id."""

    def is_revoked(self, kid: bytes, document_id: str) -> bool:
        """Return whether a document was withdrawn, as far as is known."""

    def certificates(self) -> tuple[PdfCertificate, ...]:
        """Return every certificate ever used for PDF signatures."""

    def caveats(self, kid: bytes) -> tuple[str, ...]:
        """Return Chinese phrases: what cannot be known about documents of this key."""


class TrustFolder:
    """Files downloaded earlier.

    Args:
        folder: See the module.

    Raises:
        ConfigError: A file is missing, malformed, or a list's signature is wrong.
    """

    master: bytes | None = None

    def __init__(self, folder: Path) -> None:
        self._issuers, self._certificates = _read(folder / "issuers.json", _issuers)
        self._keys = _read(folder / "jwks.json", lambda data: _keys(data, self._issuers))
        self._revoked: dict[str, frozenset[str]] = {}
        self._dates: dict[str, date] = {}
        for path in sorted((folder / "revoked").glob("*.json")):
            self._revoked[path.stem] = _read(path, _rids)
            self._check_signature(path)
            self._dates[path.stem] = datetime.fromtimestamp(path.stat().st_mtime, CHINA_TIME).date()

    def find(self, kid: bytes) -> tuple[VerifyKey, ...]:
        """See `Trust`."""
        return tuple(key for key in self._keys if key.kid == kid)

    def is_revoked(self, kid: bytes, document_id: str) -> bool:
        """See `Trust`."""
        return document_id in self._revoked.get(kid.hex(), frozenset())

    def certificates(self) -> tuple[PdfCertificate, ...]:
        """See `Trust`."""
        return self._certificates

    def caveats(self, kid: bytes) -> tuple[str, ...]:
        """See `Trust`."""
        saved = self._dates.get(kid.hex())
        if saved is None:
            return (wording.NO_LIST,)
        return (wording.OLD_LIST.format(date=f"{saved.year}年{saved.month}月{saved.day}日"),)

    def _check_signature(self, path: Path) -> None:
        signature = path.with_suffix(".jws")
        if not signature.exists():
            return

        def keys_of(kid: str) -> list[ec.EllipticCurvePublicKey]:
            owners = {key.issuer.issuer_id for key in self._keys if key.kid.hex() == path.stem}
            return [
                key.public_key
                for key in self._keys
                if key.kid.hex() == kid
                and key.issuer.issuer_id in owners
                and key.status is not KeyStatus.COMPROMISED
            ]

        if not jws_is_good(signature.read_text("ascii", "replace"), path.read_bytes(), keys_of):
            raise ConfigError(f"信任文件 {path.name} 与它的签名 {signature.name} 不符，请重新下载。")


def _read(path: Path, take: Callable[[Any], _T]) -> _T:
    try:
        return take(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"信任文件夹中没有 {path.name}，或无法读取。", detail=repr(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"信任文件 {path.name} 有误，请重新下载。", detail=repr(error)) from error


def _issuers(data: Any) -> tuple[dict[str, Issuer], tuple[PdfCertificate, ...]]:
    issuers: dict[str, Issuer] = {}
    certificates: list[PdfCertificate] = []
    for item in data["issuers"]:
        kinds = None if item["doc_types"] is None else tuple(map(int, item["doc_types"]))
        issuer = Issuer(str(item["id"]), str(item["name"]), item["uscc"], kinds, item["development"] is True)
        issuers[issuer.issuer_id] = issuer
        for listed in item["certificates"]:
            der = read_certificate(listed["x5c"][0])
            certificates.append(PdfCertificate(issuer, KeyStatus(listed["status"]), der))
    return issuers, tuple(certificates)


def _keys(data: Any, issuers: dict[str, Issuer]) -> tuple[VerifyKey, ...]:
    found = []
    for jwk in data["keys"]:
        public_key = public_key_of(jwk)
        if jwk["alg"] != ALGORITHM or jwk["kid"] != kid_of(public_key).hex():
            raise ValueError("alg or kid")
        first, last = (
            date.fromisoformat(jwk[name]) if jwk[name] else None for name in ("not_before", "not_after")
        )
        status = KeyStatus(jwk["status"])
        found.append(VerifyKey(kid_of(public_key), public_key, issuers[jwk["issuer"]], status, first, last))
    return tuple(found)


def _rids(data: Any) -> frozenset[str]:
    rids = data["rids"]
    if not isinstance(rids, list) or not all(isinstance(rid, str) and RID.fullmatch(rid) for rid in rids):
        raise ValueError("rids")
    return frozenset(rids)
