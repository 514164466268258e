"""The seal token: public claims under one ES256 signature, in one possible byte form.

A token is an untagged ``COSE_Sign1`` (RFC 9052 §4.2)::

    84                               array(4)
       49 A2 01 26 04 44 k1 k2 k3 k4 protected: {1: -7 (ES256), 4: kid}
       A0                            unprotected: always the empty map
       40+n | 58 nn | 59 nnnn        payload: deterministic CBOR map (RFC 8949 §4.2.1)
       58 40 r[32] s[32]             signature, COSE raw form (RFC 9053 §2.1), low s only

The signature covers ``Sig_structure`` (RFC 9052 §4.4) with the external data ``wenyin/1``.
Both the encoding and the signature are unique: an unprotected header, a longer integer
or the twin signature (r, n - s) would otherwise give one document many valid tokens.
"""

import hashlib
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from service.errors import SealError
from service.model import Claims
from service.verification.issuers import TokenKey
from service.verification.payload import BadPayloadError, pack_claims, unpack_claims

EXTERNAL_AAD = b"wenyin/1"
"""External authenticated data of every signature; a token of another system never verifies here."""

MAX_TOKEN_BYTES = 990
"""Longest token: about 2,390 digits, below the 2,400 that a verification URL may carry."""

MIN_TOKEN_BYTES = 82
"""Shortest token: the frame of 79 bytes around the smallest possible payload."""

_HEAD = b"\x84\x49\xa2\x01\x26\x04\x44"
_KID_BYTES = 4
_PAYLOAD_AT = len(_HEAD) + _KID_BYTES + 1
_SIGNATURE_HEAD = b"\x58\x40"
_SIGNATURE_BYTES = 64
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4 §D.1.2.3
_MAX_PAYLOAD_BYTES = MAX_TOKEN_BYTES - _PAYLOAD_AT - 3 - len(_SIGNATURE_HEAD) - _SIGNATURE_BYTES
_BSTR_HEAD_BYTES = {0x58: 2, 0x59: 3}


class BadTokenError(ValueError):
    """The bytes are not a token in its one allowed form; the text is for the log, never for a reader."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A token taken apart, with nothing in it believed yet.

    Attributes:
        kid: 4 bytes that hint at the key.
        payload: CBOR of the claims, not yet decoded.
        signed_bytes: The ``Sig_structure`` that the signature covers.
        signature: ``r || s``, 64 bytes, s at most half the group order.
    """

    kid: bytes
    payload: bytes
    signed_bytes: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class DecodedToken:
    """A well-formed token; well-formed is not yet genuine.

    Attributes:
        kid: 4 bytes that hint at the key.
        claims: What the token says.
        signed_bytes: The ``Sig_structure`` that the signature covers.
        signature: ``r || s``, 64 bytes.
    """

    kid: bytes
    claims: Claims
    signed_bytes: bytes
    signature: bytes


def mint_token(claims: Claims, key: TokenKey) -> bytes:
    """Sign claims; the same claims and key always give the same bytes (RFC 6979).

    Args:
        claims: What the token is to say. Texts are brought to NFC on one line, and the
            title is cut to 40 characters.
        key: A signing key of the issuer.

    Returns:
        The token, at most `MAX_TOKEN_BYTES` long.

    Raises:
        InvalidRequest: A value is out of range or too long for a token.
        SealError: The issuer may not sign this type of document.
    """
    if not key.issuer.may_sign(claims.doc_type):
        raise SealError(
            f"签发者“{key.issuer.name}”未获准签发此类文件，请在 issuers.json 的 doc_types 中登记。",
            detail=f"issuer {key.issuer.issuer_id}, doc_type {claims.doc_type}",
        )
    payload = pack_claims(claims, _MAX_PAYLOAD_BYTES)
    der = key.private_key.sign(
        signed_bytes(key.kid, payload), ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    )
    r, s = decode_dss_signature(der)
    s = min(s, _P256_ORDER - s)
    return _frame(key.kid, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def open_envelope(token: bytes) -> Envelope:
    """Take a token apart without decoding its claims, so that the signature can be checked first.

    Args:
        token: Untrusted bytes.

    Returns:
        The parts.

    Raises:
        BadTokenError: Not the one byte layout of the module's docstring.
    """
    if not MIN_TOKEN_BYTES <= len(token) <= MAX_TOKEN_BYTES:
        raise BadTokenError("length")
    kid = token[len(_HEAD) : len(_HEAD) + _KID_BYTES]
    item = token[_PAYLOAD_AT : -len(_SIGNATURE_HEAD) - _SIGNATURE_BYTES]
    payload = item[_BSTR_HEAD_BYTES.get(item[0], 1) :]
    signature = token[-_SIGNATURE_BYTES:]
    if _frame(kid, payload, signature) != token:
        raise BadTokenError("layout")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _P256_ORDER and 0 < s <= _P256_ORDER // 2):
        raise BadTokenError("signature range")
    return Envelope(kid, payload, signed_bytes(kid, payload), signature)


def decode_token(token: bytes) -> DecodedToken:
    """Take a token apart and decode its claims, strictly; the signature is not checked.

    Args:
        token: Untrusted bytes.

    Returns:
        Its parts and claims.

    Raises:
        BadTokenError: Wrong layout, or claims that are unknown, of a wrong type or out of range.
    """
    envelope = open_envelope(token)
    return DecodedToken(envelope.kid, claims_of(envelope), envelope.signed_bytes, envelope.signature)


def claims_of(envelope: Envelope) -> Claims:
    """Decode the claims of an opened token.

    Args:
        envelope: From `open_envelope`.

    Returns:
        The claims, defaults filled in.

    Raises:
        BadTokenError: See `decode_token`.
    """
    try:
        return unpack_claims(envelope.payload)
    except BadPayloadError as error:
        raise BadTokenError(f"payload: {error}") from error


def signature_is_good(envelope: Envelope | DecodedToken, public_key: ec.EllipticCurvePublicKey) -> bool:
    """Check the ES256 signature of an opened token.

    Args:
        envelope: From `open_envelope` or `decode_token`.
        public_key: P-256 key.

    Returns:
        Whether this key made the signature.
    """
    r = int.from_bytes(envelope.signature[:32], "big")
    s = int.from_bytes(envelope.signature[32:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), envelope.signed_bytes, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def signed_bytes(kid: bytes, payload: bytes) -> bytes:
    """Return the ``Sig_structure`` of RFC 9052 §4.4.

    Args:
        kid: 4 bytes.
        payload: CBOR of the claims.

    Returns:
        ``CBOR["Signature1", protected, h'77656e79696e2f31', payload]``.
    """
    return cbor2.dumps(["Signature1", _protected(kid), EXTERNAL_AAD, payload])


def rid(signed: bytes) -> str:
    """Name a document for revocation.

    Over the signed bytes and never over token or signature, so that a second valid
    signature could not evade a revocation.

    Args:
        signed: `Envelope.signed_bytes`.

    Returns:
        16 lower-case hex digits: the first 8 bytes of SHA-256.
    """
    return hashlib.sha256(signed).digest()[:8].hex()


def _protected(kid: bytes) -> bytes:
    return _HEAD[2:] + kid


def _frame(kid: bytes, payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps([_protected(kid), {}, payload, signature], canonical=True)
