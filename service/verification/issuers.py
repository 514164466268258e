"""Who may sign, and with which key: values only, no files."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

ALGORITHM = "ES256"
"""The one signature algorithm (RFC 9053 §2.1); a key record that names another is refused."""


class KeyStatus(StrEnum):
    """Life of a key: it signs, then it only verifies, or it is no longer believed."""

    ACTIVE = "active"
    RETIRED = "retired"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A body that signs documents; its name comes from here and never from a token.

    Attributes:
        issuer_id: Short ASCII name used in settings.
        name: Full Chinese name, shown to readers.
        uscc: 统一社会信用代码 (GB 32100), or ``None``.
        doc_types: Types that it may sign; ``None`` means all.
        development: Whether it was made on first run, without any authority.
    """

    issuer_id: str
    name: str
    uscc: str | None = None
    doc_types: tuple[int, ...] | None = None
    development: bool = False

    def may_sign(self, doc_type: int) -> bool:
        """Return whether documents of this type are within its remit."""
        return self.doc_types is None or doc_type in self.doc_types


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that signs.

    Attributes:
        kid: First 4 bytes of the RFC 7638 thumbprint.
        private_key: P-256.
        issuer: Whose key it is.
    """

    kid: bytes
    private_key: ec.EllipticCurvePrivateKey
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A key that verifies, whatever became of it.

    Attributes:
        kid: First 4 bytes of the RFC 7638 thumbprint; several keys may share it.
        public_key: P-256.
        issuer: Whose key it is.
        status: See `KeyStatus`.
        not_before: First day on which it may sign; ``None`` is open.
        not_after: Last day on which it may sign; ``None`` is open.
    """

    kid: bytes
    public_key: ec.EllipticCurvePublicKey
    issuer: Issuer
    status: KeyStatus
    not_before: date | None
    not_after: date | None

    def may_sign_on(self, day: date) -> bool:
        """Return whether the key is active and the day within its signing period."""
        started = self.not_before is None or self.not_before <= day
        ended = self.not_after is not None and self.not_after < day
        return self.status is KeyStatus.ACTIVE and started and not ended


def jwk_of(public_key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Return the public key as a JWK (RFC 7518 §6.2).

    Args:
        public_key: P-256.

    Returns:
        ``crv``, ``kty``, ``x`` and ``y``, the members that RFC 7638 §3.2 hashes.
    """
    numbers = public_key.public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}


def public_key_of(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    """Read a P-256 public key from a JWK.

    Args:
        jwk: Members beyond ``kty``, ``crv``, ``x`` and ``y`` are ignored.

    Returns:
        The key.

    Raises:
        ValueError: Not a P-256 key, or the point is not on the curve.
    """
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise ValueError("not a P-256 JWK")
    x, y = (_unpad(jwk.get(name)) for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def kid_of(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the first 4 bytes of the RFC 7638 thumbprint.

    Args:
        public_key: P-256.

    Returns:
        4 bytes; a hint for finding the key, not a proof.
    """
    return thumbprint(public_key)[:4]


def thumbprint(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the SHA-256 JWK thumbprint (RFC 7638 §3).

    Args:
        public_key: P-256.

    Returns:
        32 bytes.
    """
    canonical = json.dumps(jwk_of(public_key), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).digest()


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode("ascii")


def _unpad(text: object) -> int:
    if not isinstance(text, str) or len(text) != 43:
        raise ValueError("a P-256 coordinate is 43 base64url characters")
    return int.from_bytes(base64.b64decode(text + "=", altchars=b"-_", validate=True), "big")
