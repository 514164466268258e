"""Detached JWS over a revocation list (RFC 7515 §5, appendix F; ES256 of RFC 7518 §3.4)."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from service.verification.issuers import ALGORITHM, TokenKey

JWS_TYPE = "wenyin-revoked+json"
"""``typ`` of the header: a signature made for something else does not pass for one of a list."""

_HALF_BYTES = 32


def revoked_bytes(listed: Mapping[str, Any]) -> bytes:
    """Return the one serialisation of a revocation list that is served and signed.

    Args:
        listed: ``{"kid", "ctr", "rids"}``.

    Returns:
        UTF-8 JSON, sorted, without spaces.
    """
    return json.dumps(listed, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def detached_jws(payload: bytes, key: TokenKey) -> str:
    """Sign bytes that travel elsewhere.

    Args:
        payload: The bytes.
        key: ES256 key.

    Returns:
        ``header..signature``; the same payload and key always give the same text.
    """
    header = {"alg": ALGORITHM, "kid": key.kid.hex(), "typ": JWS_TYPE}
    head = _encode(json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii"))
    signing_input = f"{head}.{_encode(payload)}".encode("ascii")
    der = key.private_key.sign(signing_input, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return f"{head}..{_encode(r.to_bytes(_HALF_BYTES, 'big') + s.to_bytes(_HALF_BYTES, 'big'))}"


def jws_is_good(text: str, payload: bytes, keys_of: Callable[[str], list[ec.EllipticCurvePublicKey]]) -> bool:
    """Check a detached JWS.

    Args:
        text: Untrusted ``header..signature``.
        payload: The bytes it should cover.
        keys_of: Believed public keys by hex kid.

    Returns:
        Whether one of the keys made it over these bytes.
    """
    try:
        head, empty, tail = text.strip().split(".")
        header = json.loads(_decode(head))
        signature = _decode(tail)
        expected = {"alg": ALGORITHM, "kid": header["kid"], "typ": JWS_TYPE}
        if empty or header != expected or len(signature) != 2 * _HALF_BYTES:
            return False
        keys = keys_of(str(header["kid"]))
    except (ValueError, KeyError, TypeError, binascii.Error):
        return False
    r = int.from_bytes(signature[:_HALF_BYTES], "big")
    s = int.from_bytes(signature[_HALF_BYTES:], "big")
    signing_input = f"{head}.{_encode(payload)}".encode("ascii")
    for key in keys:
        try:
            key.verify(encode_dss_signature(r, s), signing_input, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return True
    return False


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
