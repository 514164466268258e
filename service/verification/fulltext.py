"""The whole text of a document in its token, for templates that ask for it.

GB 18030 and DEFLATE: on Chinese text no larger than Brotli over UTF-8, and any browser can unpack both.
"""

import unicodedata
import zlib

from service.model import Claims
from service.verification.text import Domain, canonical_text

FULL_TEXT = "全文"
"""What a warning calls the text where it had to be left out of the code."""

_ENCODING = "gb18030"
_RAW_DEFLATE = -15
_MOST_BYTES = 16_000
# No Unicode table ever moves a character into or out of these: a genuine token stays genuine.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})


def pack_text(text: str) -> bytes:
    """Compress a text for a token.

    Args:
        text: From `service.verification.text.readable_text`.

    Returns:
        Raw DEFLATE (RFC 1951) over GB 18030.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW_DEFLATE, 9)
    return packer.compress(text.encode(_ENCODING)) + packer.flush()


def unpack_text(packed: bytes) -> str:
    """Return the text of a token.

    Args:
        packed: Untrusted.

    Returns:
        Text in NFC, with line breaks and no other control or invisible character.

    Raises:
        ValueError: Not what `pack_text` makes of such a text, or far longer than a page's.
    """
    unpacker = zlib.decompressobj(_RAW_DEFLATE)
    try:
        raw = unpacker.decompress(packed, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError("not DEFLATE") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("not one whole text")
    text = raw.decode(_ENCODING)
    if not canonical_text(text) or unicodedata.normalize("NFC", text) != text:
        raise ValueError("not a text in NFC")
    if any(unicodedata.category(character) in _HIDDEN for character in text.replace("\n", "")):
        raise ValueError("hidden characters")
    return text


def is_packed_text(value: object) -> bool:
    """Return whether the value is a text as `pack_text` packs it.

    Args:
        value: From an untrusted payload.
    """
    try:
        return type(value) is bytes and bool(unpack_text(value))
    except ValueError:
        return False


def text_domain(claims: Claims) -> Domain:
    """Return which of the two texts the token carries: the PDF's, unless no PDF was made.

    Args:
        claims: Of a token with a text.
    """
    return "hp" if claims.pdf_text_mac is not None else "hd"
