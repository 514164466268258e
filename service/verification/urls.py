"""Tokens as decimal digits in an HTTPS path.

Digits because a QR code stores them three and a third bits each, and because any camera
opens a URL. The number is ``0x01 || token``, so that no leading zero byte is lost.
"""

import re
from urllib.parse import urlsplit

from service.errors import ConfigError
from service.verification.token import MIN_TOKEN_BYTES

MAX_DIGITS = 2_400
"""Longest number read from a URL; servers commonly end a request line at 4,094 bytes."""

_MIN_DIGITS = len(str(1 << (8 * MIN_TOKEN_BYTES - 8)))
_IN_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]{0,31}://[^\s/?#]+(?:/[^\s?#]*)?/[Vv]/([0-9]+)/?(?:[?#]\S*)?", re.A
)
_BARE = re.compile(r"([0-9]+)", re.A)
_MAX_CHARACTERS = 4_096
_LEAD = 0x01
_NO_TOKEN = b"\0"


def digits_of(token: bytes) -> str:
    """Return the decimal digits of a token.

    Args:
        token: Any bytes.

    Returns:
        ``int(0x01 || token)`` in decimal.
    """
    return str(int.from_bytes(bytes([_LEAD]) + token, "big"))


def verify_url(public_url: str, token: bytes) -> str:
    """Build the text of the QR code.

    Args:
        public_url: Base such as ``https://v.example.gov.cn`` or ``http://127.0.0.1:8000/check``;
            scheme and host are case-free (RFC 3986 §6.2.2.1), so the host goes upper-case to
            fit the QR's alphanumeric mode. A path prefix is kept as given.
        token: A minted token.

    Returns:
        ``https://V.EXAMPLE.GOV.CN/V/<digits>``.

    Raises:
        ConfigError: The base is not a plain http(s) URL with an ASCII host.
    """
    try:
        base = urlsplit(public_url.strip())
        _ = base.port
    except ValueError as error:
        raise _bad_base(public_url) from error
    host = base.netloc
    extras = base.query or base.fragment or "@" in host or re.search(r"\s", public_url.strip())
    if base.scheme not in ("http", "https") or not base.hostname or not public_url.isascii() or extras:
        raise _bad_base(public_url)
    return f"{base.scheme}://{host.upper()}{base.path.rstrip('/')}/V/{digits_of(token)}"


def token_from_url(text: str) -> bytes | None:
    """Find the token in what a scanner read.

    Args:
        text: Untrusted: a URL of any scheme and host with ``/V/<digits>`` in its path, or the
            digits alone. Only ASCII digits count.

    Returns:
        The token's bytes, not checked; or ``None`` where there is no number of a token's
        length. A number that is no token's comes back as bytes that no decoder accepts, so
        that a damaged seal is told from an absent one.
    """
    stripped = text.strip()
    if len(stripped) > _MAX_CHARACTERS:
        return None
    match = _IN_URL.fullmatch(stripped) or _BARE.fullmatch(stripped)
    if match is None or not _MIN_DIGITS <= len(match[1]) <= MAX_DIGITS:
        return None
    digits = match[1]
    number = int(digits)
    raw = number.to_bytes((number.bit_length() + 7) // 8 or 1, "big")
    if raw[0] != _LEAD or digits[0] == "0":
        return _NO_TOKEN + raw
    return raw[1:]


def _bad_base(public_url: str) -> ConfigError:
    return ConfigError(
        "公开网址（WENYIN_PUBLIC_URL）应形如 https://v.example.gov.cn，"
        "只含 ASCII 字符，不带查询、锚点和用户名。",
        detail=repr(public_url),
    )
