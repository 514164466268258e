"""Text of a document in a form that survives re-saving, and its keyed digest.

Keyed, because a plain digest in a public QR code would let anyone try all telephone
numbers against a photograph with the number blurred; and short, for the same reason:
without the secret nobody can search for collisions.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAC_BYTES = 8
"""Length of a text digest."""

Domain = Literal["hp", "hd", "lb"]
"""What a digest covers: ``hp`` PDF text, ``hd`` docx text, ``lb`` the field values of one label."""

_PROFILE = b"\x01"
_KEY_LABEL = b"wenyin-td"
_FIELD_SEPARATOR = "\x1f"
# Radicals, compatibility ideographs and ligatures: what re-savers and extractors put in place of
# ordinary characters. NFKC of everything would make 10² equal 102 and ① equal 1.
_COMPATIBILITY = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\ufb00-\ufb06\U0002f800-\U0002fa1f]")
_DROPPED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zs", "Zl", "Zp"})
_IDEOGRAPHIC_PLANES = range(0x20000, 0x3FFFE)


def canonical_text(text: str) -> str:
    """Return the text in profile 1: only what a reader sees as different differs.

    NFC; NFKC for radicals, compatibility ideographs and ligatures alone; no white space, no
    control, format, private-use, unassigned or surrogate code points.

    Args:
        text: Any text.

    Returns:
        A fixed point of this function.
    """
    composed = unicodedata.normalize("NFC", text)
    mapped = _COMPATIBILITY.sub(lambda match: unicodedata.normalize("NFKC", match[0]), composed)
    kept = "".join(character for character in mapped if _is_kept(character))
    return unicodedata.normalize("NFC", kept)


def readable_text(text: str) -> str:
    """Return the text with the same canonical form, fit to be read on a page.

    Args:
        text: Text whose canonical form matched a digest.

    Returns:
        Lines without blank ones, without controls and invisible characters.
    """
    lines = []
    for line in text.splitlines():
        words = ("".join(filter(_is_kept, word)) for word in line.split())
        joined = " ".join(word for word in words if word)
        if joined:
            lines.append(joined)
    return unicodedata.normalize("NFC", "\n".join(lines))


def label_text(values: Sequence[str]) -> str:
    """Join the field values of a label, in the template's order, for the domain ``lb``.

    Args:
        values: One text per field; U+001F must not occur in them.

    Returns:
        Values joined by U+001F, so that moving text from one field to the next shows.

    Raises:
        ValueError: A value holds the separator.
    """
    if any(_FIELD_SEPARATOR in value for value in values):
        raise ValueError("a label value holds U+001F")
    return _FIELD_SEPARATOR.join(values)


def text_mac(master: bytes, kid: bytes, domain: Domain, text: str) -> bytes:
    """Return the keyed digest of a text.

    ``HMAC-SHA-256(HKDF(master, "wenyin-td" || kid), profile || domain || canonical text)[:8]``,
    with the HKDF of RFC 5869 over SHA-256, no salt, 32 bytes.

    Args:
        master: 32 secret bytes.
        kid: 4 bytes of the key that signs the token.
        domain: Keeps digests of different things apart.
        text: Not yet canonical; for ``lb`` from `label_text`.

    Returns:
        8 bytes.
    """
    key = HKDF(hashes.SHA256(), 32, salt=None, info=_KEY_LABEL + kid).derive(master)
    parts = text.split(_FIELD_SEPARATOR) if domain == "lb" else [text]
    canonical = _FIELD_SEPARATOR.join(map(canonical_text, parts))
    message = _PROFILE + domain.encode("ascii") + canonical.encode("utf-8")
    return hmac.new(key, message, hashlib.sha256).digest()[:MAC_BYTES]


def mac_matches(expected: bytes, actual: bytes) -> bool:
    """Compare two digests in constant time.

    Args:
        expected: From the token.
        actual: Of the text at hand.

    Returns:
        Whether they are equal.
    """
    return hmac.compare_digest(expected, actual)


def _is_kept(character: str) -> bool:
    # Rare ideographs are "unassigned" to an older Unicode table: a document sealed by one
    # Python must verify under the next, so the two ideographic planes count as assigned.
    return unicodedata.category(character) not in _DROPPED or ord(character) in _IDEOGRAPHIC_PLANES
