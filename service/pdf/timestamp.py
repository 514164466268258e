"""RFC 3161 time stamps over signatures, from an authority over HTTP."""

import hashlib
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass

from asn1crypto import cms, tsp

from service.errors import SealError

TIME_STAMP_FAILED = "time-stamp-failed"
"""``type_code`` of the error when the authority gives no usable answer."""

TOKEN_BYTES = 16_000
"""Set aside for a token; with a chain of three certificates they have about 6,000."""

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_NONCE_BYTES = 8
_GRANTED = ("granted", "granted_with_mods")


@dataclass(frozen=True, slots=True)
class StampRule:
    """Where the time stamps over PDF signatures come from.

    Attributes:
        url: Of the authority (RFC 3161 §3.4).
        timeout_s: How long to wait for it.
        required: Whether a PDF without one is withheld; else it goes out with a warning.
    """

    url: str
    timeout_s: float
    required: bool


def time_stamp(signature: bytes, rule: StampRule) -> cms.ContentInfo:
    """Have an authority say that a signature exists.

    Args:
        signature: The bytes of the signature.
        rule: Which authority, and how long to wait for it.

    Returns:
        The token (RFC 3161 §2.4.2), its imprint and nonce compared with what was asked.

    Raises:
        SealError: With ``type_code`` `TIME_STAMP_FAILED`: no answer, a refusal, or one to another question.
    """
    imprint, nonce = hashlib.sha256(signature).digest(), int.from_bytes(secrets.token_bytes(_NONCE_BYTES))
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": imprint},
            "nonce": nonce,
            "cert_req": True,
        }
    )
    try:
        answer = tsp.TimeStampResp.load(_post(asked.dump(), rule), strict=True)
        if answer["status"]["status"].native not in _GRANTED:
            raise ValueError(f"status {answer['status'].native}")
        token = answer["time_stamp_token"]
        said = token["content"]["encap_content_info"]["content"].parsed
        if said["message_imprint"]["hashed_message"].native != imprint or said["nonce"].native != nonce:
            raise ValueError("answer to another question")
        if len(token.dump()) > TOKEN_BYTES:
            raise ValueError("token too long")
    except Exception as error:  # network, HTTP and ASN.1 fail in a dozen ways, all of them the authority's
        raise SealError(
            "时间戳服务（WENYIN_TSA_URL）没有给出可用的时间戳，请稍后重试。",
            detail=repr(error),
            code=TIME_STAMP_FAILED,
        ) from error
    return token


def _post(query: bytes, rule: StampRule) -> bytes:
    request = urllib.request.Request(rule.url, query, {"Content-Type": _QUERY, "Accept": _REPLY})  # noqa: S310 - settings allow http(s) alone
    try:
        with urllib.request.urlopen(request, timeout=rule.timeout_s) as response:  # noqa: S310
            content: bytes = response.read(2 * TOKEN_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    return content
