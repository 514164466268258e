"""Claims to a printable seal: token, URL and a QR code that a phone can read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.model import Claims, FactRule, QrRule
from service.verification.issuers import TokenKey
from service.verification.qr import QrSymbol, make_symbol, module_mm
from service.verification.token import mint_token, open_envelope, rid
from service.verification.urls import verify_url


@dataclass(frozen=True, slots=True)
class Seal:
    """A minted token in all the forms that a document needs.

    Attributes:
        token: The bytes.
        document_id: Hex rid.
        url: What the QR code says.
        symbol: The QR code.
        dropped: Captions of the optional facts that had to be left out.
    """

    token: bytes
    document_id: str
    url: str
    symbol: QrSymbol
    dropped: tuple[str, ...] = ()


def make_seal(claims: Claims, facts: Sequence[FactRule], key: TokenKey, public_url: str, qr: QrRule) -> Seal:
    """Mint a token that fits its QR code, leaving out optional facts from the last if need be.

    Args:
        claims: ``claims.facts`` in the order of ``facts``.
        facts: The template's fact rules.
        key: Signing key.
        public_url: See `service.verification.urls.verify_url`.
        qr: Size of the picture and of its smallest module.

    Returns:
        The seal; what was left out is named, never silent.

    Raises:
        InvalidRequest: Too dense even without optional facts, or a value does not fit a token.
        SealError: The issuer may not sign this type, or the symbol does not read back.
        ConfigError: The public URL is unusable.
    """
    values = list(claims.facts)
    token = mint_token(claims, key)
    dropped: list[str] = []
    for index in reversed(range(min(len(values), len(facts)))):
        if module_mm(verify_url(public_url, token), qr.picture_mm) >= qr.module_min_mm:
            break
        if facts[index].optional and values[index]:
            values[index] = ""  # keeps the place, so that later facts keep their captions
            dropped.append(facts[index].caption)
            token = mint_token(replace(claims, facts=tuple(values)), key)
    url = verify_url(public_url, token)
    symbol = make_symbol(url, qr.module_min_mm, qr.picture_mm)
    return Seal(token, rid(open_envelope(token).signed_bytes), url, symbol, tuple(reversed(dropped)))
